"""A view that is shown again and again, until the user has seen enough or nothing is left to see."""

import contextlib
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text


def watch(show: Callable[[], tuple[RenderableType, bool]], console: Console, *, every_s: float) -> None:
    """Show what `show` returns, again every so many seconds, until it says that nothing more will change.

    On a terminal the picture is redrawn in place, and q or Ctrl-C ends it; elsewhere each is printed below the last.
    """
    with contextlib.suppress(KeyboardInterrupt):
        if console.is_terminal:
            _redraw(show, console, every_s)
        else:
            _print(show, console, every_s)


def _print(show: Callable[[], tuple[RenderableType, bool]], console: Console, every_s: float) -> None:
    while True:
        picture, over = show()
        console.print(picture)
        console.print(f"as of {_clock()}")
        if over:
            return
        time.sleep(every_s)


def _redraw(show: Callable[[], tuple[RenderableType, bool]], console: Console, every_s: float) -> None:
    with Live(console=console, auto_refresh=False) as live, _keys() as pressed:
        while True:
            picture, over = show()
            words = "nothing more to wait for" if over else f"again every {every_s:g} s; q ends"
            live.update(Group(picture, Text(f"as of {_clock()}; {words}", style="dim")), refresh=True)
            if over or "q" in pressed(every_s):
                return


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Yield a function that waits for a key, so many seconds at most, and returns it ("" for none)."""
    if not sys.stdin.isatty():
        yield _no_key
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield lambda seconds: sys.stdin.read(1) if select.select([descriptor], [], [], seconds)[0] else ""
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _no_key(seconds: float) -> str:
    time.sleep(seconds)
    return ""


def _clock() -> str:
    return time.strftime("%H:%M:%S")
