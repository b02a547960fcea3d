"""Which rows the benchmarks of speed read: typical batches of sets of real size; and which pieces are trained.

HF Trainer sorts rows by length within groups of min(rows // (4 * batch), 50) batches, so few rows are padded far more
than a real set. The batches are therefore those of a set large enough, grouped by transformers' own function, and of
them those are taken that stand for all.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import torch
from bench_common import PIECES, Items, batches_in_order
from transformers.trainer_pt_utils import get_length_grouped_indices

from xstilts_hpc.data.batch import BatchMaker
from xstilts_hpc.data.encode import Encoded

# Batches of the training set that updates are taken from: whole groups of 50.
BATCHES = 200
# Pieces that stay in the compact vocabulary: as many as a large English training set has, not only these few rows.
KEPT = 60_000
_SEED = 42


def grouped(lengths: Items, batch_size: int) -> list[Items]:
    """Return the batches that HF Trainer makes of rows grouped by length, a last incomplete one left out."""
    order = get_length_grouped_indices(lengths.tolist(), batch_size, generator=torch.Generator().manual_seed(_SEED))
    return [np.array(order)[places] for places in batches_in_order(len(order), batch_size)]


def typical(batches: Sequence[Items], lengths: Items, count: int) -> list[Items]:
    """Return `count` batches that stand for all, the longest first.

    The batches are shared out by their tokens into so many equal parts; of each the one nearest to its mean is taken.
    """
    tokens = np.array([lengths[items].sum() for items in batches])
    parts = np.array_split(np.argsort(-tokens, kind="stable"), min(count, len(batches)))
    return [batches[part[np.abs(tokens[part] - tokens[part].mean()).argmin()]] for part in parts]


def padding(batches: Sequence[Items], lengths: Items) -> float:
    """Return the tokens read for each real one where the rows of a batch are padded to its longest."""
    read = sum(len(items) * int(lengths[items].max()) for items in batches)
    return read / sum(int(lengths[items].sum()) for items in batches)


def taken(encoded: Encoded, items: Items) -> Encoded:
    """Return some items of an encoded set whose items are single rows."""
    return Encoded(encoded.kind, encoded.table.take(pa.array(items)), encoded.rows_per_item)


def kept_pieces(batches: BatchMaker, kept: int = KEPT) -> Items:
    """Return the pieces of all rows, and others up to the number that is kept."""
    own = batches.pieces(np.arange(len(batches.lengths)))
    others = np.setdiff1d(np.arange(PIECES), own)[: max(0, kept - len(own))]
    return np.sort(np.concatenate([own, others]))
