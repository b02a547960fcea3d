"""Choose the examples of a smaller training set: seeded, nested, and stratified."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def subset(strata: Sequence[str], size: int, seed: int) -> NDArray[np.int64]:
    """Return the indices of `size` examples, in the order of the file.

    Every stratum keeps its share, to one example. The subset of a smaller size under the same seed is contained in
    that of a larger one: all sizes are prefixes of one order, in which the strata are interleaved evenly.
    """
    generator = np.random.default_rng([seed, len(strata)])
    names, codes = np.unique(np.asarray(strata), return_inverse=True)
    position = np.empty(len(strata))
    for code in range(len(names)):
        members = generator.permutation(np.flatnonzero(codes == code))
        position[members] = (np.arange(len(members)) + generator.random()) / len(members)
    return np.sort(np.argsort(position, kind="stable")[:size])
