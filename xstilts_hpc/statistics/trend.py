"""One test for a trend over sizes, instead of many between pairs of sizes."""

from collections.abc import Mapping

import numpy as np

from xstilts_hpc.statistics.intervals import Estimate, Floats, Levels, estimate

FEWEST_SIZES = 3


def trend(
    by_seeds: Mapping[Levels, Mapping[int, float]], resampled: Mapping[Levels, Mapping[int, Floats]] | None = None
) -> Estimate:
    """Return the mean slope of scores per factor of ten in size, over sets of seeds that have all sizes.

    The slope of a set is the contrast of its scores with the centred logarithms of the sizes (0, the baseline, left
    out), so sets are compared with themselves. `resampled` are the same scores `[draws]` on resampled examples; without
    them the interval holds for other seeds on the same examples. NaN where fewer than three sizes are there in every
    set.
    """
    sizes = sorted(set.intersection(*(set(scores) for scores in by_seeds.values())) - {0}) if by_seeds else []
    if len(sizes) < FEWEST_SIZES:
        return Estimate(float("nan"))
    x = np.log10(np.array(sizes, dtype=np.float64))
    weights = (x - x.mean()) / np.sum((x - x.mean()) ** 2)
    slopes = [float(weights @ [scores[size] for size in sizes]) for scores in by_seeds.values()]
    if not resampled:
        return estimate(slopes, list(by_seeds))
    draws = [weights @ np.stack([resampled[each][size] for size in sizes]) for each in by_seeds]
    return estimate(slopes, list(by_seeds), np.stack(draws))
