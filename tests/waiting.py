"""Waiting for what other processes do: it comes when it comes, and a failure says what did not."""

from collections.abc import Callable

from xstilts_hpc.cluster.devcluster_processes import until
from xstilts_hpc.run_folder import RunFolder


def wait_until(condition: Callable[[], bool], what: str, *, limit_s: float = 200) -> None:
    """Wait until something is so; a failure says what was waited for."""
    assert until(condition, limit_s=limit_s), f"{what}: not so after {limit_s:g} s"


def wait_for_updates(run: RunFolder, number: int) -> None:
    """Wait until the history of a run holds so many updates."""
    wait_until(lambda: num_updates(run) >= number, f"{number} updates of {run.path.name}")


def wait_for_causes(run: RunFolder, causes: list[str]) -> None:
    """Wait until the attempts of a run have ended so, one after the other; a moment after its commit record is there.

    A failure says how they ended instead.
    """
    until(lambda: _causes(run) == causes, limit_s=60)
    assert _causes(run) == causes


def num_updates(run: RunFolder) -> int:
    """Return how many updates the history of a run holds."""
    return run.history.read_text(encoding="utf-8").count("\n") if run.history.is_file() else 0


def _causes(run: RunFolder) -> list[str]:
    return [attempt["cause"] for attempt in run.attempts()]
