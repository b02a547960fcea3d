"""Sentence retrieval: pool hidden states into sentences, find nearest neighbours by cosine in bounded memory."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from xstilts_hpc.data.batch import Batch
from xstilts_hpc.logits import Floats, Integers
from xstilts_hpc.model.encoder import keep_layers
from xstilts_hpc.recipe import Recipe

# Neighbours kept each way: what the ratio margin of bitext mining needs (k = 4).
NEIGHBOURS = 4
_BLOCK = 4_096


class SentenceModel(nn.Module):
    """An encoder cut at the layer wanted, and a pooling over its tokens."""

    def __init__(self, encoder: nn.Module, recipe: Recipe) -> None:
        """Drop the layers above the one that is read."""
        super().__init__()
        self.encoder = keep_layers(encoder, recipe.retrieval_layer_fraction)
        self.pooling = recipe.pooling

    def forward(self, batch: Batch) -> Float[Tensor, "batch hidden"]:
        """Return one vector per sentence: the mean over all real tokens, specials included, or the first token's."""
        output = self.encoder(input_ids=batch.input_ids, attention_mask=batch.attention_mask)
        tokens: Tensor = output.last_hidden_state
        if self.pooling == "cls":
            return tokens[:, 0]
        mask = batch.attention_mask[..., None].to(tokens.dtype)
        return (tokens * mask).sum(1) / mask.sum(1)


def nearest_neighbours(
    queries: Float[Tensor, "queries hidden"], candidates: Float[Tensor, "candidates hidden"], k: int
) -> tuple[Floats, Integers]:
    """Return cosine and index of the k nearest candidates of each query, nearest first.

    Works in blocks of queries and candidates, so memory does not grow with their product. The smaller index wins ties.
    """
    queries, candidates = functional.normalize(queries, dim=1), functional.normalize(candidates, dim=1)
    k = min(k, len(candidates))
    found = [_block_neighbours(block, candidates, k) for block in torch.split(queries, _BLOCK)]
    scores = torch.cat([score for score, _ in found])
    indices = torch.cat([index for _, index in found])
    return scores.numpy().astype(np.float32), indices.numpy().astype(np.int64)


def _block_neighbours(queries: Tensor, candidates: Tensor, k: int) -> tuple[Tensor, Tensor]:
    scores, indices = queries.new_zeros(len(queries), 0), torch.zeros(len(queries), 0, dtype=torch.int64)
    for start in range(0, len(candidates), _BLOCK):
        block = queries @ candidates[start : start + _BLOCK].T
        positions = torch.arange(start, start + block.shape[1]).expand_as(block)
        scores, indices = torch.cat([scores, block], 1), torch.cat([indices, positions], 1)
        order = scores.sort(dim=1, descending=True, stable=True).indices[:, :k]
        scores, indices = scores.gather(1, order), indices.gather(1, order)
    return scores, indices
