"""Choose the examples of a smaller training set: seeded, nested, and stratified or in whole paragraphs."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def subset(strata: Sequence[str], size: int, seed: int) -> NDArray[np.int64]:
    """Return the indices of `size` examples, in the order of the file.

    Every stratum keeps its share, to less than one example. The subset of a smaller size under the same seed is
    contained in that of a larger one: examples are taken one by one, in an order that does not depend on the size.
    """
    generator = np.random.default_rng([seed, len(strata)])
    names = sorted(set(strata))
    code_of = {name: code for code, name in enumerate(names)}
    codes = np.fromiter(map(code_of.__getitem__, strata), np.int64, len(strata))
    members = [generator.permutation(np.flatnonzero(codes == code)) for code in generator.permutation(len(names))]
    taken = _taken([len(indices) for indices in members], size)
    chosen = [indices[:number] for indices, number in zip(members, taken, strict=True)]
    return np.sort(np.concatenate([np.zeros(0, np.int64), *chosen]))


def whole_groups(groups: Sequence[int] | NDArray[np.int64], size: int, seed: int) -> NDArray[np.int64]:
    """Return the indices of whole groups with at most `size` examples, but at least one group, in the file's order.

    `groups` says which group each example is of. Groups are taken in a seeded order until the next one does not fit,
    so that the subset of a smaller size under the same seed is contained in that of a larger one.
    """
    names, codes = np.unique(np.asarray(groups, dtype=np.int64), return_inverse=True)
    order = np.random.default_rng([seed, len(codes), len(names)]).permutation(len(names))
    examples = np.cumsum(np.bincount(codes)[order])
    fitting = max(1, int(np.searchsorted(examples, size, side="right")))
    return np.flatnonzero(np.isin(codes, order[:fitting]))


def _taken(sizes: Sequence[int], number: int) -> list[int]:
    """Return how many of the first `number` examples come from each stratum.

    One example is taken at a time: of the strata below their share at that step, from the one whose share first
    reaches a further example, which keeps every share to less than one (the quota method of Balinski and Young 1975).
    The k-th example of a stratum may so be taken from step (k - 1) / share + 1 on and is due by step k / share, both
    rounded to steps: of those that may be taken, the one due first is. Those due by `number` are taken. Of the others,
    at most one per stratum, one is taken if the steps are not all used up by those due before it.
    """
    total = sum(sizes)
    taken = [size * number // total for size in sizes]
    spare = -np.arange(number + 1)  # by step: how many examples might have been taken by then, less the steps
    for size, due in zip(sizes, taken, strict=True):
        opens = np.arange(due) * total // size + 1
        spare += np.cumsum(np.bincount(opens, minlength=number + 1))
    idle = -spare.min()
    further = [i for i, size in enumerate(sizes) if size * number % total]
    for i in sorted(further, key=lambda i: -(-(taken[i] + 1) * total // sizes[i])):
        spare[taken[i] * total // sizes[i] + 1 :] += 1
        if -spare.min() < idle:
            taken[i], idle = taken[i] + 1, -spare.min()
    return taken
