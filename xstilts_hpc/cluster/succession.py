"""Which plan stands under a grid's name: one that only adds takes the place of the one before, others when told to."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from xstilts_hpc.errors import GridError, RunError
from xstilts_hpc.files import digest_of, write_text
from xstilts_hpc.plan import Plan, PlannedRun, grid_folder, load_plan

_NAMED = 3
_DIGITS = 12


@dataclass(frozen=True)
class Terms:
    """What a handover may do: with `only` no other runs; with `replace` it may drop runs of the grid as submitted."""

    only: Collection[str] = ()
    replace: bool = False


USUAL = Terms()


def check_succession(plan: Plan, root: Path, terms: Terms) -> None:
    """Raise GridError where the plan would drop runs of the one that was submitted under its name, unless told to."""
    before = {} if terms.replace else _before(plan, root)
    dropped = [planned.run.name for run_id, planned in before.items() if run_id not in plan.runs]
    if dropped:
        names = ", ".join(dropped[:_NAMED]) + (", ..." if len(dropped) > _NAMED else "")
        raise GridError(
            f"grid {plan.name} was submitted with {len(before)} runs, {len(dropped)} of which would no longer be in it "
            f"({names}): give this grid another `name:` to keep both, or --replace to let it take the other's place"
        )


def put_on_record(plan: Plan, root: Path) -> Path | None:
    """Write a plan under its grid's name; return where a plan with other runs is kept, None where there was none."""
    folder, kept = grid_folder(root, plan.name), None
    before = _before(plan, root)
    if before.keys() - plan.runs.keys():
        kept = folder.replaced / f"{digest_of(sorted(before))[:_DIGITS]}.json"
        write_text(kept, folder.plan.read_text(encoding="utf-8"))
    plan.save(folder.plan)
    return kept


def replaced_plans(root: Path) -> Iterator[Plan]:
    """Yield the plans that others of their name took the place of, latest first; not those of other versions."""
    paths = (root / "grids").glob(f"*/{grid_folder(root, '').replaced.name}/*.json")
    for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            yield load_plan(path)
        except RunError:
            continue  # it says where runs came from, which nothing depends on


def _before(plan: Plan, root: Path) -> Mapping[str, PlannedRun]:
    """Return the runs of the plan that was submitted under a name; of a damaged one none, for it is to be submitted."""
    try:
        return load_plan(grid_folder(root, plan.name).plan).runs
    except RunError:
        return {}
