"""Choose the examples of a smaller training set: seeded, nested, and stratified."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def subset(strata: Sequence[str], size: int, seed: int) -> NDArray[np.int64]:
    """Return the indices of `size` examples, in the order of the file.

    Every stratum keeps its share, to less than one example. The subset of a smaller size under the same seed is
    contained in that of a larger one: examples are taken one by one, in an order that does not depend on the size.
    """
    generator = np.random.default_rng([seed, len(strata)])
    names, codes = np.unique(np.asarray(strata), return_inverse=True)
    members = [generator.permutation(np.flatnonzero(codes == code)) for code in generator.permutation(len(names))]
    sizes, taken = [len(indices) for indices in members], [0] * len(members)
    for step in range(1, size + 1):
        taken[_most_urgent(sizes, taken, step)] += 1
    chosen = [indices[:number] for indices, number in zip(members, taken, strict=True)]
    return np.sort(np.concatenate([np.zeros(0, np.int64), *chosen]))


def _most_urgent(sizes: Sequence[int], taken: Sequence[int], step: int) -> int:
    """Return the stratum to take the next example from.

    Of those below their share at this step it is the one whose share first reaches a further example, which keeps
    every share to less than one (the quota method of Balinski and Young 1975).
    """
    total = sum(sizes)
    below = [i for i, size in enumerate(sizes) if size * step > taken[i] * total]
    return min(below, key=lambda i: -(-(taken[i] + 1) * total // sizes[i]))
