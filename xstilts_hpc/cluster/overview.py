"""Everything that `status` shows of a grid: states, what is left, failures, nodes; as JSON or on the screen."""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from xstilts_hpc.cluster.axes import DEFAULT_AXES, counts, status_table
from xstilts_hpc.cluster.failures import FailureGroup, failures_of
from xstilts_hpc.cluster.nodes import BadNode, bad_nodes
from xstilts_hpc.cluster.outlook import Outlook, outlook
from xstilts_hpc.cluster.reasons import stuck
from xstilts_hpc.cluster.status import State, View, look
from xstilts_hpc.plan import Plan

# Groups of failures on the screen; --json has all of them.
_SHOWN = 10


@dataclass(frozen=True)
class Overview:
    """A view of a plan's runs and what follows from it."""

    view: View
    by: tuple[str, ...]
    outlook: Outlook
    failures: tuple[FailureGroup, ...]
    nodes: tuple[BadNode, ...]

    @property
    def is_over(self) -> bool:
        """Say whether everything is done, so that nothing will change any more."""
        return not self.outlook.runs

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON."""
        rows = counts(self.view.plan, self.view.states, self.by)
        problem = self.view.queue.problem
        return {
            "grid": self.view.plan.name,
            "slurm": f"no answer: {problem}" if problem else "answered" if self.view.queue.slots else "not asked",
            "runs": {i: _standing_json(self.view, i) for i in self.view.plan.runs},
            "counts": [
                {**dict(zip(("stage", *self.by), row, strict=True)), **{str(s): n for s, n in numbers.items()}}
                for row, numbers in rows.items()
            ],
            "outlook": asdict(self.outlook),
            "failures": [asdict(group) for group in self.failures],
            "bad_nodes": [asdict(node) for node in self.nodes],
        }

    def render(self) -> RenderableType:
        """Return everything for the screen."""
        lines = [Text(line) for line in self.lines()]
        return Group(status_table(self.view.plan, self.view.states, self.by), *lines)

    def lines(self) -> Iterator[str]:
        """Yield what stands below the table."""
        problem = self.view.queue.problem
        if problem:
            yield f"Slurm does not answer, so files alone decide: {problem}"
        yield str(self.outlook)
        yield from _stuck_lines(self.view)
        blocked = len(self.view.in_state(State.BLOCKED))
        for group in self.failures[:_SHOWN]:
            yield from _group_lines(group)
        if len(self.failures) > _SHOWN:
            yield f"and {len(self.failures) - _SHOWN} more kinds of failure; --json lists them"
        if blocked:
            yield f"{blocked} runs are blocked by failed parents; retrying the parents takes them along"
        yield from _node_lines(self.nodes)


def overview(plan: Plan, root: Path, by: Sequence[str] = DEFAULT_AXES) -> Overview:
    """Find out everything that there is to say of a grid. Changes nothing."""
    view = look(plan, root)
    return Overview(view, tuple(by), outlook(view), tuple(failures_of(view)), tuple(bad_nodes(root)))


def _standing_json(view: View, run_id: str) -> dict[str, Any]:
    standing = view.standings[run_id]
    slot = view.queue.slots.get(run_id)
    told = {
        "cause": standing.cause,
        "decided": str(standing.attempt.get("decided", "")),
        "element": slot.element if slot else "",
        "reason": standing.element.reason if standing.element.is_pending else "",
    }
    return {"state": str(standing.state), **{name: value for name, value in told.items() if value}}


def _group_lines(group: FailureGroup) -> Iterator[str]:
    runs = "1 run" if len(group.runs) == 1 else f"{len(group.runs)} runs, such as"
    yield f"{group.cause}: {runs} {group.example}"
    if group.error:
        yield f"  {group.error}"
    yield f"  -> {group.advice}"


def _node_lines(nodes: Sequence[BadNode]) -> Iterator[str]:
    if not nodes:
        return
    yield "suspicious nodes:"
    yield from (f"  {node}" for node in nodes)
    names = ",".join(node.name for node in nodes)
    yield f"  -> keep runs away from them with `slurm: {{exclude: {shlex.quote(names)}}}` in the profile"


def _stuck_lines(view: View) -> Iterator[str]:
    """Yield why pending runs will not start by themselves."""
    reasons = Counter(
        standing.element.reason
        for standing in view.standings.values()
        if standing.state == State.SUBMITTED and standing.element.reason
    )
    for reason, number in reasons.items():
        if stuck(reason):
            yield f"{number} pending, but each will not start by itself: {stuck(reason)} ({reason})"
