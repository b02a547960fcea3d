"""What a person sees of a download."""

import io

from rich.console import Console

from xstilts_hpc.fetch.watching import Watching


def shown(*, terminal: bool, every_s: float = 30.0) -> str:
    out = io.StringIO()
    found = Watching(Console(file=out, force_terminal=terminal, width=100, no_color=True), every_s=every_s)
    found.begin("a.zip")
    found.grown(500, 1000)
    found.says("[hello]")
    found.grown(1000, 0)
    found.end()
    return out.getvalue()


def test_a_terminal_has_a_bar() -> None:
    assert "a.zip" in shown(terminal=True)
    assert "[hello]" in shown(terminal=True)


def test_elsewhere_there_are_only_lines() -> None:
    assert shown(terminal=False) == "[hello]\n"


def test_a_long_download_says_now_and_then_how_far_it_is() -> None:
    assert shown(terminal=False, every_s=0.0) == "a.zip: 500 B of 1 kB\n[hello]\na.zip: 1 kB\n"
