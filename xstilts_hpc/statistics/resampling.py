"""Scores on resampled examples: how a test set of the same size would have scored the same predictions.

A score is a function of sums over units (examples, or paragraphs and sentences that belong together), so resampling is
one product of matrices: how often each unit was drawn, times what it counts.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Draws multiplied at once: enough for fast products, few enough for the memory of a laptop.
_DRAWS = 250


def times_drawn(units: int, draws: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """Yield blocks of `times[draws, units]`: how often each unit was drawn, with replacement, as many as there are.

    The same seed and numbers give the same draws, so scores of several runs on one test set are resampled together.
    """
    random = np.random.default_rng(seed)
    for begin in range(0, draws, _DRAWS):
        block = min(_DRAWS, draws - begin)
        chosen = random.integers(0, units, (block, units))
        flat = chosen + units * np.arange(block)[:, None]
        yield np.bincount(flat.ravel(), minlength=block * units).reshape(block, units).astype(np.float32)


def resampled_sums(counts: NDArray[np.floating], draws: int, seed: int) -> Floats:
    """Return `sums[draws, ...]` of `counts[units, ...]` over resampled units."""
    units = counts.shape[0]
    flat = np.ascontiguousarray(counts.reshape(units, -1), dtype=np.float32)
    blocks = [times @ flat for times in times_drawn(units, draws, seed)]
    return np.concatenate(blocks).reshape(draws, *counts.shape[1:]).astype(np.float64)
