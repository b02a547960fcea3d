"""Which runs go into which Slurm array, what each array waits for, how many elements run at once: pure functions."""

import heapq
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xstilts_hpc.cluster.packing import Pack, Shape, by_limit, packed
from xstilts_hpc.plan import Plan, Stage

_STAGES = list(Stage)


@dataclass(frozen=True)
class Array:
    """Runs submitted with one sbatch: each element executes one pack of runs, one after another or side by side.

    `depends_on` is the number (in the same list) of the array whose element i the element i of this one waits for,
    -1 for none. `after` is an element of an earlier submission that every element waits for; `after_any` says that it
    also holds other runs, so that its failure need not be the parent's. `time_min` is the time limit of an element.
    """

    stage: str
    packs: tuple[Pack, ...]
    depends_on: int = -1
    after: str = ""
    time_min: int = 0
    after_any: bool = False

    @property
    def runs(self) -> tuple[str, ...]:
        """Return the runs of all elements."""
        return tuple(run_id for pack in self.packs for run_id in pack)


@dataclass(frozen=True)
class Pace:
    """How many elements of an array run at once (0: all), and the array it follows when there are too many arrays."""

    parallel: int
    follows: int = -1


def arrays_of(plan: Plan, *, done: Collection[str], queued: Mapping[str, str], shape: Shape) -> list[Array]:
    """Return the arrays that hold every run that is neither done nor queued, parents before children.

    `queued` leads from a run to its element in an earlier submission. Child array k holds the k-th pack of children of
    each parent, so that its elements line up with the first elements of the parents' array. A family that fits one
    pack is one element. A run whose parent is neither done, queued nor a run without a parent itself is left out: a
    later submission has its turn.
    """
    todo = [run_id for run_id in plan.runs if run_id not in done and run_id not in queued]
    parent_of = {run_id: plan.runs[run_id].run.parent for run_id in todo}
    children: dict[str, Pack] = {}
    for run_id in sorted(todo, key=lambda run_id: _STAGES.index(plan.runs[run_id].stage)):
        children[parent_of[run_id]] = (*children.get(parent_of[run_id], ()), run_id)
    free = [run_id for run_id in todo if not parent_of[run_id] or parent_of[run_id] in done]
    families = {run_id: (run_id, *children[run_id]) for run_id in free if run_id in children}
    small = [family for family in families.values() if shape.fits(family)]
    large = [(parent,) for parent, family in families.items() if not shape.fits(family)]
    arrays: list[Array] = []
    for parents in by_limit(large, shape):
        arrays.extend(_aligned(plan, parents, children, shape, len(arrays)))
    arrays.extend(_free(plan, small, shape))
    for stage in Stage:
        alone = [(i,) for i in free if i not in families and plan.runs[i].stage == stage]
        arrays.extend(_free(plan, alone, shape))
    shared = Counter(queued.values())
    for parent, element in queued.items():
        for chunk in _chunks(packed([(child,) for child in children.get(parent, ())], shape), shape):
            later = _array(plan, chunk, shape)
            arrays.append(Array(later.stage, chunk, -1, element, later.time_min, shared[element] > 1))
    return arrays


def _aligned(
    plan: Plan, parents: Sequence[Pack], children: Mapping[str, Pack], shape: Shape, first: int
) -> Iterator[Array]:
    """Yield arrays of parents, each followed by the arrays of their children; `first` is the number of the first.

    Parents with the most packs of children come first, so that those with more than k packs are a prefix for every k.
    """
    packs = {parent: packed([(child,) for child in children[parent[0]]], shape) for parent in parents}
    for chunk in _chunks(sorted(parents, key=lambda parent: -len(packs[parent])), shape):
        yield _array(plan, chunk, shape)
        rows = len(packs[chunk[0]])
        for k in range(rows):
            row = tuple(packs[parent][k] for parent in chunk if len(packs[parent]) > k)
            yield _array(plan, row, shape, first)
        first += 1 + rows


def _free(plan: Plan, groups: Sequence[Pack], shape: Shape) -> Iterator[Array]:
    """Yield the arrays of runs or families that wait for nothing."""
    for packs in by_limit(packed(groups, shape), shape):
        for chunk in _chunks(packs, shape):
            yield _array(plan, chunk, shape)


def _array(plan: Plan, packs: tuple[Pack, ...], shape: Shape, depends_on: int = -1) -> Array:
    here = {plan.runs[run_id].stage for pack in packs for run_id in pack}
    stage = "+".join(stage.value for stage in Stage if stage in here)
    return Array(stage, packs, depends_on, time_min=shape.limit_min(packs))


def _chunks(packs: Sequence[Pack], shape: Shape) -> Iterator[tuple[Pack, ...]]:
    for start in range(0, len(packs), shape.max_array_size):
        yield tuple(packs[start : start + shape.max_array_size])


def paces_of(arrays: Sequence[Array], max_parallel: int) -> list[Pace]:
    """Return how many elements of each array run at once, so that the sum never exceeds `max_parallel` (0: no bound).

    Arrays that others wait for weigh as much as those that wait, else the machines would idle while few parents run.
    With more arrays than `max_parallel`, every array runs one element at a time and follows an earlier one.
    """
    if not max_parallel:
        return [Pace(0) for _ in arrays]
    if len(arrays) > max_parallel:
        return [Pace(1, i - max_parallel if i >= max_parallel else -1) for i in range(len(arrays))]
    waiting = [sum(len(a.packs) for a in arrays if a.depends_on == i) for i in range(len(arrays))]
    weights = [waiting[i] or len(array.packs) for i, array in enumerate(arrays)]
    most = [len(array.packs) for array in arrays]
    return [Pace(share) for share in deal(max_parallel, [1] * len(arrays), most, weights)]


def deal(total: int, least: Sequence[int], most: Sequence[int], weights: Sequence[float]) -> list[int]:
    """Deal `total` out by weight: everyone gets `least`, the rest goes one by one to who has least for its weight."""
    shares = list(least)
    waiting = [(shares[i] / weights[i], i) for i in range(len(shares)) if shares[i] < most[i] and weights[i] > 0]
    heapq.heapify(waiting)
    for _ in range(total - sum(shares)):
        if not waiting:
            break
        _, i = heapq.heappop(waiting)
        shares[i] += 1
        if shares[i] < most[i]:
            heapq.heappush(waiting, (shares[i] / weights[i], i))
    return shares


def dependency_of(array: Array, job_ids: Sequence[str], arrays: Sequence[Array], follows: int = -1) -> str:
    """Return the text of --dependency, empty for none.

    A single element is submitted as a plain job, for which aftercorr means afterok on all of the other array, so it
    names its parent's element itself.
    """
    terms = []
    if array.depends_on >= 0:
        job, many_parents = job_ids[array.depends_on], len(arrays[array.depends_on].packs) > 1
        single = f"afterok:{element_id(job, 0, many=many_parents)}"
        terms.append(f"aftercorr:{job}" if len(array.packs) > 1 else single)
    if array.after:
        terms.append(f"{'afterany' if array.after_any else 'afterok'}:{array.after}")
    if follows >= 0:
        terms.append(f"afterany:{job_ids[follows]}")
    return ",".join(terms)


def element_id(job_id: str, index: int, *, many: bool) -> str:
    """Return Slurm's name of an element: `17_3`, or `17` where one run was submitted as a plain job."""
    return f"{job_id}_{index}" if many else job_id
