"""Sentence retrieval: pool hidden states into sentences."""

from jaxtyping import Float
from torch import Tensor, nn

from xstilts_hpc.data.batch import Batch
from xstilts_hpc.model.encoder import keep_layers
from xstilts_hpc.recipe import Recipe


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
