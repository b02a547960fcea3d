"""Train only the rows of the embedding whose pieces occur: the others have no gradient, so decay alone moves them.

Adam's moments of a row that never occurs stay zero, and its update 0 / (0 + eps) is zero too; decoupled weight decay
(AdamW) multiplies it by 1 - lr * decay at every update. So the rest of the matrix is known at the end in closed form,
and a training on the rows that occur is the same training. Not so where the matrix is the output of a language model:
there every row has a gradient.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from xstilts_hpc.families import family_of


class CompactEmbedding(nn.Module):
    """An embedding of the pieces that occur; it reads the ids of the whole vocabulary."""

    row_of: Tensor

    def __init__(self, whole: Float[Tensor, "pieces hidden"], kept: Int[Tensor, " kept"]) -> None:
        """Copy the rows of the pieces `kept` out of a whole matrix."""
        super().__init__()
        self.weight = nn.Parameter(whole[kept].clone())
        row_of = torch.full((len(whole),), len(kept), dtype=torch.int64)  # behind the last row: an error, not a guess
        row_of[kept] = torch.arange(len(kept))
        self.register_buffer("row_of", row_of, persistent=False)

    def forward(self, input_ids: Int[Tensor, "1 tokens"]) -> Float[Tensor, "1 tokens hidden"]:
        """Return the embedding of every token."""
        return functional.embedding(self.row_of[input_ids], self.weight)


@dataclass(frozen=True)
class CompactVocabulary:
    """The pieces that are trained, and the whole matrix as it was before."""

    kept: Int[Tensor, " kept"]
    before: Float[Tensor, "pieces hidden"]

    def whole(self, trained: Float[Tensor, "kept hidden"], decay: float) -> Float[Tensor, "pieces hidden"]:
        """Return the whole matrix after a training: the trained rows, the others times `decay`."""
        matrix = self.before * decay
        matrix[self.kept] = trained
        return matrix


def weight_of(encoder: Any) -> str:
    """Return the name of an encoder's matrix of embeddings, as TaskModel has it."""
    return f"encoder.{family_of(encoder.config.model_type).embedding}.weight"


def compact(encoder: Any, pieces: NDArray[np.int64]) -> CompactVocabulary:
    """Replace the word embedding of an encoder by one of some pieces alone; return what restores it."""
    name = family_of(encoder.config.model_type).embedding
    before = encoder.get_submodule(name).weight.detach()
    kept = torch.from_numpy(pieces)
    encoder.set_submodule(name, CompactEmbedding(before, kept))
    return CompactVocabulary(kept, before)
