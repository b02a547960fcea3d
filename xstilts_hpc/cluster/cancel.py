"""Take a grid's elements out of Slurm: pending ones at once, running ones after they have saved."""

from dataclasses import dataclass
from pathlib import Path

from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.submission import submissions
from xstilts_hpc.plan import Plan


@dataclass(frozen=True)
class Cancelled:
    """The elements that were (or would be) cancelled while pending, asked to save and stop, and killed."""

    pending: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    killed: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say it in one line."""
        words = {"pending cancelled": self.pending, "running asked to save and stop": self.asked, "killed": self.killed}
        return ", ".join(f"{len(found)} {what}" for what, found in words.items() if found) or "nothing is queued"


def cancel(plan: Plan, root: Path, *, now: bool = False, dry_run: bool = False) -> Cancelled:
    """Cancel what Slurm holds of a grid's runs, its collectors too; a dry run changes nothing.

    Running elements get TERM: they save, leave, and are not requeued. With `now` they are killed. A run that another
    grid asked for too is cancelled for both. Pending ones go first, so that no freed place starts another.
    """
    elements, collectors = _elements(plan, root)
    words = slurm.elements_of(name.partition("_")[0] for name in (*elements, *collectors))
    pending = tuple(name for name in (*elements, *collectors) if words.get(name) in slurm.PENDING)
    running = tuple(name for name in elements if words.get(name) in slurm.RUNNING)
    if not dry_run:
        slurm.cancel(pending)
        if now:
            slurm.cancel(running)
        else:
            slurm.send("TERM", running)
    return Cancelled(pending, () if now else running, running if now else ())


def _elements(plan: Plan, root: Path) -> tuple[list[str], list[str]]:
    """Return the elements that answer runs of a plan, and the collectors of its own submissions."""
    elements: dict[str, None] = {}
    collectors = []
    for submission in submissions(root):
        elements |= {name: None for run_id, name in submission.elements.items() if run_id in plan.runs}
        if submission.grid == plan.name and submission.collector:
            collectors.append(submission.collector)
    return list(elements), collectors
