"""Take a grid's elements out of Slurm: pending ones at once, running ones after they have saved."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.queue import Element, Slot, ask_slots, slots_of
from xstilts_hpc.cluster.submission import submissions
from xstilts_hpc.errors import RunError
from xstilts_hpc.plan import Plan, load_plan, plan_files

_LISTED = 3


@dataclass(frozen=True)
class Cancelled:
    """The elements that were (or would be) cancelled while pending, asked to save and stop, and killed.

    `runs` leads from an element to the runs it holds, as far as they are not done; `shared` from each of them that
    another grid needs too, or that is none of this grid's but stands in an element with one, to those grids.
    """

    pending: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    killed: tuple[str, ...] = ()
    runs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        """Say it in one line, and in one more for each other grid that it touches."""
        words = {"pending cancelled": self.pending, "running asked to save and stop": self.asked, "killed": self.killed}
        done = [f"{len(found)} {what}{self._packed(found)}" for what, found in words.items() if found]
        return "\n".join([", ".join(done) or "nothing is queued", *self._shared_lines()])

    def _packed(self, elements: Iterable[str]) -> str:
        """Say how many runs some elements hold, where that is not one each."""
        held = [len(self.runs.get(element, ("",))) for element in elements]
        return f" ({sum(held)} runs)" if any(number != 1 for number in held) else ""

    def _shared_lines(self) -> list[str]:
        by_grid: dict[str, list[str]] = {}
        for run_id, grids in self.shared.items():
            for grid in grids:
                by_grid.setdefault(grid, []).append(run_id)
        return [
            f"grid {grid} needs {len(runs)} of these runs too: {_some(runs)}; submit it again to have them done"
            for grid, runs in sorted(by_grid.items())
        ]


def cancel(plan: Plan, root: Path, *, now: bool = False, dry_run: bool = False) -> Cancelled:
    """Cancel what Slurm holds of a grid's runs, its collectors too; a dry run changes nothing.

    Running elements get TERM: they save, leave, and are not requeued. With `now` they are killed. A run that another
    grid asked for too is cancelled for both. Pending ones go first, so that no freed place starts another.
    """
    slots = {slot for found in slots_of(root, set(plan.runs)).values() for slot in found}
    collectors = [s.collector for s in submissions(root) if s.grid == plan.name and s.collector]
    answered, words = ask_slots(slots, collectors)
    held = {slot.element: slot for slot in sorted(answered.values(), key=_in_order) if slot.element in words}
    pending = tuple(name for name in (*held, *collectors) if words.get(name, Element()).is_pending)
    running = tuple(name for name in held if words[name].is_running)
    if not dry_run:
        slurm.cancel(pending)
        if now:
            slurm.cancel(running)
        else:
            slurm.send("TERM", running)
    runs = {name: held[name].pack for name in (*pending, *running) if name in held}
    shared = _needed_elsewhere(plan, root, {run_id for pack in runs.values() for run_id in pack})
    return Cancelled(pending, () if now else running, running if now else (), runs, shared)


def _in_order(slot: Slot) -> tuple[str, str, int]:
    return slot.submission.created, slot.name, slot.index


def _needed_elsewhere(plan: Plan, root: Path, run_ids: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return which other grids under the root need some runs."""
    grids: dict[str, tuple[str, ...]] = {}
    for path in sorted(plan_files(root)) if run_ids else ():
        try:
            other = load_plan(path)
        except RunError:
            continue  # a grid whose plan cannot be read needs nothing that could be named
        if other.name != plan.name:
            grids |= {run_id: (*grids.get(run_id, ()), other.name) for run_id in run_ids if run_id in other.runs}
    return grids


def _some(names: list[str]) -> str:
    return ", ".join(sorted(names)[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
