"""Deal an effective batch to ranks and micro-batches by tokens: no rank waits, no micro-batch is too large."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.errors import RunError

Items = NDArray[np.int64]


def deal(costs: Sequence[float] | Items, bins: int) -> list[int]:
    """Return the bin of each item: the costliest first, each to the bin with the least so far."""
    loads, chosen = [0.0] * bins, [0] * len(costs)
    for item in sorted(range(len(costs)), key=lambda i: -costs[i]):
        chosen[item] = loads.index(min(loads))
        loads[chosen[item]] += costs[item]
    return chosen


def micro_batches(tokens: Items, world: int, limit: int) -> list[list[Items]]:
    """Return the micro-batches of every rank: indices into an effective batch whose items have so many tokens.

    Every rank has equally many, at least one item each, the longest item first. They are the fewest whose micro-batches
    stay within `limit` tokens; where even single items are longer, every item stands alone. RunError where there are
    more ranks than items.
    """
    if len(tokens) < world:
        raise RunError(
            f"batch_size {len(tokens)} is smaller than the number of ranks, {world}: every rank needs an example at "
            "every update; use fewer ranks in the profile, or a larger recipe.batch_size"
        )
    most = len(tokens) // world
    number = min(most, max(1, -(-int(tokens.sum()) // (world * limit))))
    chosen = np.array(deal(tokens, world * number))
    while number < most and np.bincount(chosen, weights=tokens).max() > limit:
        number += 1
        chosen = np.array(deal(tokens, world * number))
    order = np.argsort(-tokens, kind="stable")
    bins = [order[chosen[order] == i] for i in range(world * number)]
    return [bins[rank::world] for rank in range(world)]
