"""One contrast for a trend over sizes, instead of many tests between pairs of sizes."""

from collections.abc import Sequence

import numpy as np

from xstilts_hpc.statistics.intervals import Floats

FEWEST_SIZES = 3


def slopes(sizes: Sequence[int], scores: Floats) -> Floats:
    """Return the slope of `scores[..., sizes]` per factor of ten in size, NaN where a score is missing.

    It is the contrast of the scores with the centred logarithms of the sizes. NaN throughout with fewer than three
    sizes.
    """
    if len(sizes) < FEWEST_SIZES:
        return np.full(scores.shape[:-1], np.nan)
    x = np.log10(np.array(sizes, dtype=np.float64))
    weights = (x - x.mean()) / np.sum((x - x.mean()) ** 2)
    found: Floats = scores @ weights
    return found
