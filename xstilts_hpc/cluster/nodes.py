"""Nodes that runs died on: suspicious are those where several did, and none completed since."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xstilts_hpc.causes import Cause
from xstilts_hpc.cluster.attempts import Attempt, Attempts
from xstilts_hpc.cluster.failures import is_device_error

# So many different runs must have died on a node; one alone may be the run's own fault.
FEWEST_RUNS = 2
_NODE_FAULTS = (Cause.NODE_FAILED, Cause.KILLED)


@dataclass(frozen=True)
class BadNode:
    """A node, the runs that died there and how, since any completed there; and when the last one did."""

    name: str
    runs: tuple[str, ...]
    causes: Mapping[str, int]
    last: str

    def __str__(self) -> str:
        """Say it in one line."""
        how = ", ".join(f"{number} {cause}" for cause, number in self.causes.items())
        return f"{self.name}: {len(self.runs)} runs died there ({how}), the last at {self.last}; none completed since"


def bad_nodes(root: Path) -> list[BadNode]:
    """Return the nodes that are suspicious by what the attempts of all runs under a root say, the worst first."""
    attempts = Attempts(root)
    try:
        with os.scandir(root / "runs") as entries:
            run_ids = sorted(entry.name for entry in entries if entry.is_dir())
    except FileNotFoundError:
        return []
    found = suspicious((run_id, attempt) for run_id in run_ids for attempt in attempts.of(run_id))
    attempts.save()
    return found


def suspicious(attempts: Iterable[tuple[str, Attempt]]) -> list[BadNode]:
    """Return the nodes on which at least two different runs died since any attempt completed there."""
    ended = [(str(attempt["end"]), run_id, attempt) for run_id, attempt in attempts if attempt.get("end")]
    deaths: dict[str, list[tuple[str, str, Attempt]]] = {}
    for item in sorted(ended, key=lambda item: item[0]):
        node = str(item[2].get("node") or "")
        if item[2].get("cause") == Cause.COMPLETED:
            deaths.pop(node, None)
        elif node and _is_the_nodes(item[2]):
            deaths.setdefault(node, []).append(item)
    found = [_bad(node, items) for node, items in deaths.items()]
    return sorted((node for node in found if len(node.runs) >= FEWEST_RUNS), key=lambda node: -len(node.runs))


def _is_the_nodes(attempt: Attempt) -> bool:
    """Say whether an attempt ended by what a node does to a run, not a run to itself."""
    return attempt.get("cause") in _NODE_FAULTS or (
        attempt.get("cause") == Cause.FAILED and is_device_error(str(attempt.get("error", "")))
    )


def _bad(node: str, items: Iterable[tuple[str, str, Attempt]]) -> BadNode:
    found = list(items)
    runs = tuple(dict.fromkeys(run_id for _, run_id, _ in found))
    return BadNode(node, runs, Counter(str(attempt["cause"]) for _, _, attempt in found), found[-1][0])
