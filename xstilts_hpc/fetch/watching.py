"""What a person sees of downloads: a bar on a terminal, else a line now and then."""

import time

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from xstilts_hpc.byte_sizes import in_bytes


class Watching:
    """Shows one download after another on a console; implements `transfer.Watcher`."""

    def __init__(self, console: Console, *, every_s: float = 30.0) -> None:
        """Show on a console: where it is no terminal, a line as often as that."""
        self._console, self._every_s = console, every_s
        self._name, self._said = "", time.monotonic()
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        self._bar = Progress(TextColumn("{task.description}", markup=False), *columns, console=console, transient=True)
        self._task = self._bar.add_task("", total=None)

    def begin(self, name: str) -> None:
        """Show the download of a file."""
        self._name, self._said = name, time.monotonic()
        if self._console.is_terminal:
            self._bar.remove_task(self._task)
            self._task = self._bar.add_task(name, total=None)
            self._bar.start()

    def grown(self, num_bytes: int, total: int) -> None:
        """Show how much is on disk."""
        if self._console.is_terminal:
            self._bar.update(self._task, completed=num_bytes, total=total or None)
        elif time.monotonic() - self._said >= self._every_s:
            self.says(f"{self._name}: {in_bytes(num_bytes)}" + (f" of {in_bytes(total)}" if total else ""))

    def says(self, text: str) -> None:
        """Print a line."""
        self._said = time.monotonic()
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def end(self) -> None:
        """Take the bar away."""
        if self._console.is_terminal:  # elsewhere it was never started, and would print an empty line
            self._bar.stop()
