"""What a person sees of the local pool: a bar and the running runs on a terminal, else a line per run."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from xstilts_hpc.plan import PlannedRun


class LocalProgress:
    """Shows the pool on a console; implements `local.Progress`."""

    def __init__(self, console: Console) -> None:
        """Show on a console; nothing is drawn before `begin`."""
        self._console = console
        self._running: dict[str, str] = {}
        self._total = self._ended = 0
        self._bar = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
        )
        self._task = TaskID(0)

    def begin(self, total: int) -> None:
        """Draw the bar."""
        self._total = total
        if self._console.is_terminal and total:
            self._task = self._bar.add_task("", total=total)
            self._bar.start()

    def started(self, run: PlannedRun) -> None:
        """Name the run among the running ones."""
        self._running[run.run.id] = run.run.name
        self._update()

    def finished(self, run: PlannedRun, seconds: float) -> None:
        """Say that a run is done and how long it took."""
        self._end(run, f"completed {run.run.name} ({seconds:.1f} s)")

    def failed(self, run: PlannedRun, reason: str) -> None:
        """Say that a run failed and why."""
        self._end(run, f"failed {run.run.name}: {reason}", style="red")

    def again(self, run: PlannedRun, reason: str) -> None:
        """Say that a run starts once more."""
        self._running.pop(run.run.id, None)
        self._console.print(f"{run.run.name}: {reason}", style="yellow", markup=False, highlight=False, soft_wrap=True)
        self._update()

    def left(self, run: PlannedRun, state: str, why: str) -> None:
        """Say how a run stands that is not done, and why."""
        self._end(run, f"{state} {run.run.name}: {why}", style="yellow")

    def end(self) -> None:
        """Take the bar away."""
        if self._bar.live.is_started:
            self._bar.stop()

    def _end(self, run: PlannedRun, text: str, style: str = "") -> None:
        self._running.pop(run.run.id, None)
        self._ended += 1
        line = f"[{self._ended}/{self._total}] {text}"
        self._console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
        self._update()

    def _update(self) -> None:
        if self._console.is_terminal and self._total:
            names = ", ".join(self._running.values())
            self._bar.update(self._task, completed=self._ended, description=names)
