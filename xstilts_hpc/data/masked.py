"""Batches of masked-language modelling: 15 % of the tokens hidden anew at every step, as BERT and XLM-R do."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from xstilts_hpc.data.batch import Batch
from xstilts_hpc.data.encode import Encoded
from xstilts_hpc.data.ragged import Ragged
from xstilts_hpc.data.rows import rows_of

# Of the tokens of a row; of those hidden, 80 % become <mask>, 10 % a random piece, 10 % stay.
_HIDDEN = 0.15
_MASKED, _RANDOM = 0.8, 0.9


@dataclass(frozen=True)
class MaskedBatchMaker:
    """Make batches of encoded lines of text; what is hidden depends on the seed, the step and the line alone."""

    task: str
    encoded: Encoded
    tokenizer: Any
    seed: int

    @cached_property
    def _input_ids(self) -> Ragged:
        return self.encoded.ragged("input_ids")

    @cached_property
    def _pieces(self) -> NDArray[np.int64]:
        """Return the ids of all pieces that are not special."""
        special = set(self.tokenizer.all_special_ids)
        return np.array([i for i in range(len(self.tokenizer)) if i not in special], dtype=np.int64)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Return the number of tokens of each item."""
        return self._input_ids.lengths()

    def gold_count(self, items: Sequence[int] | NDArray[np.int64]) -> int:
        """Return the number of hidden tokens of some items, which does not depend on the step."""
        return sum(_num_hidden(int(self.lengths[item])) for item in items)

    def make(self, items: Sequence[int] | NDArray[np.int64], step: int) -> Batch:
        """Return the packed batch of some items with tokens hidden; `gold` are their ids."""
        ids, positions, gold = zip(*(self._hide(int(item), step) for item in items), strict=True)
        rows = rows_of([len(row) for row in ids])
        words = [part + start for part, start in zip(positions, rows.starts.numpy(), strict=True)]
        tokens, classes, places = (torch.from_numpy(np.concatenate(parts)) for parts in (ids, gold, words))
        return Batch(self.task, tokens, rows, classes, places)

    def _hide(self, item: int, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return a row with some tokens hidden, their positions, and what they were."""
        generator = np.random.default_rng([self.seed, step, item])
        ids = self._input_ids[item].astype(np.int64)
        chosen = generator.permutation(len(ids) - 2)[: _num_hidden(len(ids))]
        positions = np.sort(chosen).astype(np.int64) + 1  # behind <s>, never </s>
        draws, hidden = generator.random(len(positions)), ids[positions]
        replaced = np.where(draws < _RANDOM, generator.choice(self._pieces, len(positions)), hidden)
        changed = ids.copy()
        changed[positions] = np.where(draws < _MASKED, self.tokenizer.mask_token_id, replaced)
        return changed, positions, hidden


def _num_hidden(tokens: int) -> int:
    """Return how many of a row's tokens are hidden: at least one where there is any beside <s> and </s>."""
    text = tokens - 2
    return min(text, max(1, round(_HIDDEN * text)))
