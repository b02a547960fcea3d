"""How much of a plan is submitted now and what is left for the next wave: pure functions."""

from collections.abc import Sequence
from dataclasses import replace

from xstilts_hpc.cluster.arrays import Array


def wave_of(arrays: Sequence[Array], room: int) -> tuple[list[Array], list[str]]:
    """Return the arrays to submit now, of at most `room` elements, and the runs left for the next wave.

    A family is cut by its parents: the first ones with their children, and of the next one as many children as there
    is room for. No array goes without the one it depends on, and element i still waits for element i.
    """
    now: list[Array] = []
    for first, array in enumerate(arrays):
        if array.depends_on >= 0:
            continue
        rows = [row for row in arrays if row.depends_on == first]
        family = _cut(array, rows, max(0, room), len(now))
        room -= sum(len(part.packs) for part in family)
        now += family
    taken = {run_id for array in now for run_id in array.runs}
    return now, [run_id for array in arrays for run_id in array.runs if run_id not in taken]


def _cut(array: Array, rows: Sequence[Array], room: int, number: int) -> list[Array]:
    """Return the part of an array and the rows of its children that has room; `number` becomes the array's own."""
    sizes = [sum(len(row.packs) > i for row in rows) for i in range(len(array.packs))]
    whole, used = 0, 0
    while whole < len(sizes) and used + 1 + sizes[whole] <= room:
        used += 1 + sizes[whole]
        whole += 1
    extra = room - used - 1  # rows that the next parent, if there is one, has room for
    parents = array.packs[: whole + (extra >= 0)]
    cut = [row.packs[: whole + (k < extra)] for k, row in enumerate(rows)]
    parts = [replace(row, packs=packs, depends_on=number) for row, packs in zip(rows, cut, strict=True) if packs]
    return [replace(array, packs=parents), *parts] if parents else []
