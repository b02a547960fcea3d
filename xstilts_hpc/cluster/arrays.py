"""Which runs go into which Slurm array, what each array waits for, how many elements run at once: pure functions."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xstilts_hpc.plan import Plan, Stage

_STAGES = list(Stage)


@dataclass(frozen=True)
class Array:
    """Runs submitted with one sbatch.

    `depends_on` is the number (in the same list) of the array whose element i the element i of this one waits for,
    -1 for none. `after` is an element of an earlier submission that every element waits for.
    """

    stage: str
    runs: tuple[str, ...]
    depends_on: int = -1
    after: str = ""


@dataclass(frozen=True)
class Pace:
    """How many elements of an array run at once (0: all), and the array it follows when there are too many arrays."""

    parallel: int
    follows: int = -1


def arrays_of(
    plan: Plan, *, done: Collection[str], queued: Mapping[str, str], max_array_size: int = 1001
) -> list[Array]:
    """Return the arrays that hold every run that is neither done nor queued, parents before children.

    `queued` leads from a run to its element in an earlier submission. Child array k holds the k-th child of each
    parent, so that its elements line up with the first elements of the parents' array. A run whose parent is neither
    done, queued nor a run without a parent itself is left out: a later submission has its turn.
    """
    todo = [run_id for run_id in plan.runs if run_id not in done and run_id not in queued]
    parent_of = {run_id: plan.runs[run_id].run.parent for run_id in todo}
    children: dict[str, list[str]] = {}
    for run_id in todo:
        children.setdefault(parent_of[run_id], []).append(run_id)
    free = [run_id for run_id in todo if not parent_of[run_id] or parent_of[run_id] in done]
    arrays: list[Array] = []
    for family in _chunks(_most_children_first(free, children), max_array_size):
        arrays.extend(_family(plan, family, children, len(arrays)))
    for array in _free_arrays(plan, [run_id for run_id in free if run_id not in children]):
        arrays.extend(Array(array.stage, chunk) for chunk in _chunks(array.runs, max_array_size))
    for parent, element in queued.items():
        for chunk in _chunks(children.get(parent, []), max_array_size):
            arrays.append(Array(_stage(plan, chunk), chunk, after=element))
    return arrays


def _most_children_first(free: Sequence[str], children: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the runs that have children, so sorted that those with more than k children are a prefix for every k."""
    return sorted((run_id for run_id in free if run_id in children), key=lambda run_id: -len(children[run_id]))


def _family(plan: Plan, parents: tuple[str, ...], children: Mapping[str, Sequence[str]], first: int) -> Iterator[Array]:
    yield Array(_stage(plan, parents), parents)
    ordered = {parent: sorted(children[parent], key=lambda i: _STAGES.index(plan.runs[i].stage)) for parent in parents}
    for k in range(len(ordered[parents[0]])):
        row = tuple(ordered[parent][k] for parent in parents if len(ordered[parent]) > k)
        yield Array(_stage(plan, row), row, depends_on=first)


def _free_arrays(plan: Plan, runs: Sequence[str]) -> Iterator[Array]:
    for stage in Stage:
        members = tuple(run_id for run_id in runs if plan.runs[run_id].stage == stage)
        if members:
            yield Array(stage.value, members)


def _stage(plan: Plan, runs: Sequence[str]) -> str:
    """Return the stage of runs; an array of several stages names them all."""
    here = {plan.runs[run_id].stage for run_id in runs}
    return "+".join(stage.value for stage in Stage if stage in here)


def _chunks(runs: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(runs), size):
        yield tuple(runs[start : start + size])


def paces_of(arrays: Sequence[Array], max_parallel: int) -> list[Pace]:
    """Return how many elements of each array run at once, so that the sum never exceeds `max_parallel` (0: no bound).

    Arrays that others wait for weigh as much as those that wait, else the machines would idle while few parents run.
    With more arrays than `max_parallel`, every array runs one element at a time and follows an earlier one.
    """
    if not max_parallel:
        return [Pace(0) for _ in arrays]
    if len(arrays) > max_parallel:
        return [Pace(1, i - max_parallel if i >= max_parallel else -1) for i in range(len(arrays))]
    weights = [_weight(arrays, i) for i in range(len(arrays))]
    spare = max_parallel - len(arrays)
    return [Pace(1 + spare * weight // sum(weights)) for weight in weights]


def _weight(arrays: Sequence[Array], number: int) -> int:
    waiting = sum(len(array.runs) for array in arrays if array.depends_on == number)
    return waiting or len(arrays[number].runs)


def dependency_of(array: Array, job_ids: Sequence[str], arrays: Sequence[Array], follows: int = -1) -> str:
    """Return the text of --dependency, empty for none.

    A single element is submitted as a plain job, for which aftercorr means afterok on all of the other array, so it
    names its parent's element itself.
    """
    terms = []
    if array.depends_on >= 0:
        job, many_parents = job_ids[array.depends_on], len(arrays[array.depends_on].runs) > 1
        terms.append(f"aftercorr:{job}" if len(array.runs) > 1 else f"afterok:{element_id(job, 0, many=many_parents)}")
    if array.after:
        terms.append(f"afterok:{array.after}")
    if follows >= 0:
        terms.append(f"afterany:{job_ids[follows]}")
    return ",".join(terms)


def element_id(job_id: str, index: int, *, many: bool) -> str:
    """Return Slurm's name of an element: `17_3`, or `17` where one run was submitted as a plain job."""
    return f"{job_id}_{index}" if many else job_id
