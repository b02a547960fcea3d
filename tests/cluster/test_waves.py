"""Waves: as many elements as may be queued, no child without its parent."""

from hypothesis import given
from hypothesis import strategies as st

from tests.cluster.trivial_runs import FAMILY, make_plan, run_of
from xstilts_hpc.cluster.arrays import Array, arrays_of
from xstilts_hpc.cluster.packing import Shape
from xstilts_hpc.cluster.waves import wave_of
from xstilts_hpc.plan import Plan

Wave = list[tuple[list[str], int]]


def wave(plan: Plan, room: int) -> tuple[Wave, list[str]]:
    """Return the tasks and the dependency of each array of a wave, and the tasks left."""
    names = {run_id: planned.run.training.task for run_id, planned in plan.runs.items() if planned.run.training}
    now, later = wave_of(arrays_of(plan, done=[], queued={}, shape=Shape()), room)
    return [([names[i] for i in array.runs], array.depends_on) for array in now], [names[i] for i in later]


def test_everything_goes_where_there_is_room() -> None:
    plan = make_plan(FAMILY, ["none"])
    assert wave(plan, 10) == (
        [(["b", "c", "a"], -1), (["b1", "c1", "a1"], 0), (["b2", "c2"], 0), (["b3"], 0), (["none"], -1)],
        [],
    )


def test_a_family_is_cut_after_a_parent_and_its_children() -> None:
    plan = make_plan(FAMILY, ["none"])
    assert wave(plan, 7) == ([(["b", "c"], -1), (["b1", "c1"], 0), (["b2", "c2"], 0), (["b3"], 0)], ["a", "a1", "none"])


def test_a_parent_without_room_for_all_its_children_goes_with_the_first_of_them() -> None:
    plan = make_plan(FAMILY, ["none"])
    assert wave(plan, 6) == (
        [(["b", "c"], -1), (["b1", "c1"], 0), (["b2"], 0), (["b3"], 0)],
        ["a", "a1", "c2", "none"],
    )
    assert wave(plan, 1) == ([(["b"], -1)], ["c", "a", "b1", "c1", "a1", "b2", "c2", "b3", "none"])


def test_without_room_everything_waits() -> None:
    plan = make_plan({"a": ["a1"]})
    assert wave(plan, 0) == wave(plan, -3) == ([], ["a", "a1"])


def test_the_second_family_keeps_its_own_parents() -> None:
    plan = make_plan({f"p{i}": [f"p{i}c"] for i in range(3)})
    now, later = wave_of(arrays_of(plan, done=[], queued={}, shape=Shape(max_array_size=2)), 6)
    assert [array.depends_on for array in now] == [-1, 0, -1, 2] and later == []


FAMILIES = st.lists(st.integers(0, 4), max_size=8)
MINUTES = st.sampled_from([0.5, 7.0, 25.0, 90.0, 700.0])


@given(st.data(), FAMILIES, st.integers(1, 6), st.integers(0, 40), st.sampled_from([0.0, 30.0, 120.0]))
def test_random_plans_keep_every_rule(
    data: st.DataObject, sizes: list[int], max_array_size: int, room: int, pack_min: float
) -> None:
    plan = make_plan({f"p{i}": [f"p{i}c{k}" for k in range(size)] for i, size in enumerate(sizes)}, ["x", "y", "z"])
    runs = list(plan.runs)
    done = data.draw(st.sets(st.sampled_from(runs)))
    parents = [run_of(plan, f"p{i}") for i in range(len(sizes))]
    queued = {i: f"7_{n}" for n, i in enumerate(parents) if i not in done and data.draw(st.booleans())}
    minutes = data.draw(st.dictionaries(st.sampled_from(runs), MINUTES))
    shape = Shape(max_array_size, 600, pack_min, minutes)
    arrays = arrays_of(plan, done=done, queued=queued, shape=shape)
    now, later = wave_of(arrays, room)
    taken = [run_id for array in now for run_id in array.runs]
    assert sorted([*taken, *later]) == sorted(set(runs) - done - set(queued))
    assert sum(len(array.packs) for array in now) <= room
    assert len(now) == 0 or max(len(array.packs) for array in now) <= max_array_size
    for number, array in enumerate(now):
        _packs_are_in_order(plan, now, number, done, queued)
        assert all(len(pack) == 1 or shape.fits(pack) for pack in array.packs)
        assert all(len(pack) == 1 or set(pack) <= set(minutes) for pack in array.packs)


def _packs_are_in_order(plan: Plan, now: list[Array], number: int, done: set[str], queued: dict[str, str]) -> None:
    """Check that the parent of every run is done, before it in its pack, or what its own element waits for."""
    array = now[number]
    assert array.packs and array.depends_on < number
    before = now[array.depends_on].packs if array.depends_on >= 0 else ()
    for i, pack in enumerate(array.packs):
        for position, run_id in enumerate(pack):
            parent = plan.runs[run_id].run.parent
            earlier = pack[:position]
            waited_for = before[i] if i < len(before) else ()
            held = parent in queued and queued[parent] == array.after
            assert not parent or parent in done or parent in earlier or parent in waited_for or held
