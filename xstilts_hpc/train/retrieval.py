"""Sentence retrieval: pool hidden states into sentences."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from xstilts_hpc.data.batch import Batch
from xstilts_hpc.model.encoder import keep_layers
from xstilts_hpc.model.packed import read_tokens
from xstilts_hpc.recipe import Recipe


class SentenceModel(nn.Module):
    """An encoder cut at the layer wanted, and a pooling over its tokens."""

    def __init__(self, encoder: nn.Module, recipe: Recipe) -> None:
        """Drop the layers above the one that is read."""
        super().__init__()
        self.encoder = keep_layers(encoder, recipe.retrieval_layer_fraction)
        self.pooling = recipe.pooling

    def forward(self, batch: Batch) -> Float[Tensor, "rows hidden"]:
        """Return one vector per sentence: the mean over all its tokens, specials included, or the first token's."""
        tokens, first = read_tokens(self.encoder, batch), batch.rows.first
        if self.pooling == "cls":
            return tokens[first[:-1]]
        return torch.segment_reduce(tokens.float(), "mean", offsets=first, axis=0)
