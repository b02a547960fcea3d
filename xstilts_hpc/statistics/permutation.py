"""Paired permutation tests, and corrections for many tests."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.statistics.intervals import Levels

Floats = NDArray[np.float64]

# All ways to flip the signs of so many differences are tried (2 ** 14 of them); of more, a sample.
_ALL = 14
_BLOCK = 1_000
# Of five independent sets of seeds the p-value is 2 / 2 ** 5 = 0.06 at least.
FEWEST_FLIPPED = 6


def sign_flip_p(differences: Sequence[float] | Floats, *, draws: int = 10_000, seed: int = 0) -> float:
    """Return the two-sided p-value of the mean of paired differences, whose signs are arbitrary if there is no effect.

    Exact for up to 14 differences; of more, `draws` random flips and the observed one (Phipson and Smyth 2010). The
    least it can be is 2 / 2**n for n differences.
    """
    values = np.asarray(differences, dtype=np.float64)
    if not len(values):
        raise ValueError("no differences to test")
    observed = abs(values.sum()) * (1 - 1e-12)
    if len(values) <= _ALL:
        signs = 1 - 2.0 * ((np.arange(2 ** len(values))[:, None] >> np.arange(len(values))) & 1)
        return float(np.mean(np.abs(signs @ values) >= observed))
    random, hits = np.random.default_rng(seed), 0
    for begin in range(0, draws, _BLOCK):
        block = min(_BLOCK, draws - begin)
        signs = 1 - 2.0 * random.integers(0, 2, (block, len(values)), dtype=np.int8)
        hits += int(np.count_nonzero(np.abs(signs @ values) >= observed))
    return (hits + 1) / (draws + 1)


def seeds_flipped_p(differences: Sequence[float], levels: Sequence[Levels]) -> float:
    """Return the p-value of sign flips of paired differences; those that share a seed, also by others, flip together.

    NaN where fewer than six do not hang together.
    """
    whole = _hanging_together(levels)
    if len(set(whole)) < FEWEST_FLIPPED:
        return math.nan
    return sign_flip_p(np.bincount(whole, weights=np.asarray(differences, dtype=np.float64)).astype(np.float64))


def _hanging_together(levels: Sequence[Levels]) -> list[int]:
    """Return the number of the group of each set of seeds; groups share no run, and no seed that differs elsewhere."""
    groups = list(range(len(levels)))
    data_vary, train_vary = (len(set(seeds)) > 1 for seeds in zip(*((x.data, x.train) for x in levels), strict=True))
    for i, one in enumerate(levels):
        for j, other in enumerate(levels[:i]):
            same = one.data == other.data, one.train == other.train
            trained_alike = all(same) or (same[0] and data_vary) or (same[1] and train_vary)
            shared = trained_alike or (one.target == other.target and one.target is not None)
            if shared and groups[i] != groups[j]:
                groups = [groups[j] if group == groups[i] else group for group in groups]
    return groups


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number by Holm's step-down method (1979); NaN stays and does not count.

    Of all true hypotheses one or more is rejected with that probability at most, whatever depends on what.
    """
    values, corrected, order = _sorted(p_values)
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(factors * values[order]))
    return [float(value) for value in corrected]


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for the false discovery rate (Benjamini and Hochberg 1995); NaN does not count.

    Of the rejected hypotheses that share is true at most, on average over studies, where tests do not hang together or
    do so positively.
    """
    values, corrected, order = _sorted(p_values)
    factors = len(order) / np.arange(1, len(order) + 1)
    from_last = np.minimum.accumulate((factors * values[order])[::-1])[::-1]
    corrected[order] = np.minimum(1.0, from_last)
    return [float(value) for value in corrected]


def _sorted(p_values: Sequence[float]) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return p-values, as many NaN, and the places of those that are known, the smallest first."""
    values = np.asarray(p_values, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    return values, np.full(len(values), np.nan), order
