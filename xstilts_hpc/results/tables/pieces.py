"""Wide tables in pieces: which columns stand in each."""

from collections.abc import Sequence


def pieces(widths: Sequence[int], keys: int, width: int, gap: int) -> list[list[int]]:
    """Return the columns of each piece of so much width: the keys, and as many of the others as fit, at least one."""
    room = width - sum(one + gap for one in widths[:keys])
    found: list[list[int]] = [[]]
    for i in range(keys, len(widths)):
        if found[-1] and sum(widths[j] + gap for j in found[-1]) + widths[i] + gap > room:
            found.append([])
        found[-1].append(i)
    return [list(range(keys)) + piece for piece in found]
