"""Read packed rows with an encoder: no padding anywhere, attention confined to each row.

The encoder's linear layers see one long row of real tokens. Its attention is ours, registered with transformers: on a
GPU PyTorch's own variable-length kernels, on a CPU the usual one on blocks of rows of like length.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface

from xstilts_hpc.data.batch import Batch
from xstilts_hpc.data.rows import Block, Rows
from xstilts_hpc.errors import ModelError

# The name under which transformers finds our attention.
ATTENTION = "xstilts_packed"
_HALVES = (torch.bfloat16, torch.float16)


class Parts(NamedTuple):
    """What attention takes, of all tokens: [tokens, heads, dim] each."""

    query: Tensor
    key: Tensor
    value: Tensor


@dataclass(frozen=True)
class Read:
    """What an encoder makes of a batch: the last hidden state of every token, and the pooler's output of every row."""

    tokens: Float[Tensor, "tokens hidden"]
    pooled: Float[Tensor, "rows hidden"]


def read_tokens(encoder: Any, batch: Batch) -> Float[Tensor, "tokens hidden"]:
    """Return the last hidden state of every token; XLM-R counts positions from its padding id + 1.

    ModelError where the encoder's attention does not know packed rows.
    """
    if encoder.config._attn_implementation != ATTENTION:
        raise ModelError(
            f"this encoder's attention is {encoder.config._attn_implementation}, which would look across the packed "
            f"rows; load it with load_encoder, or call its set_attn_implementation({ATTENTION!r})"
        )
    positions = batch.rows.position + encoder.config.pad_token_id + 1
    output = encoder(input_ids=batch.input_ids[None], position_ids=positions[None], rows=batch.rows)
    tokens: Tensor = output.last_hidden_state[0]
    return tokens


def read(encoder: Any, batch: Batch) -> Read:
    """Return hidden states and pooled rows. The encoder's own pooler reads the first token of the batch alone."""
    tokens = read_tokens(encoder, batch)
    return Read(tokens, encoder.pooler(tokens[batch.rows.starts][:, None]))


def packed_attention(
    module: nn.Module,
    query: Float[Tensor, "1 heads tokens dim"],
    key: Float[Tensor, "1 heads tokens dim"],
    value: Float[Tensor, "1 heads tokens dim"],
    attention_mask: None,
    **options: Any,
) -> tuple[Float[Tensor, "1 tokens heads dim"], None]:
    """Attend within each row. Scores are divided by the root of `dim`, as XLM-R's are."""
    rows, dropout = options["rows"], float(options["dropout"])
    parts = Parts(*(part[0].transpose(0, 1) for part in (query, key, value)))
    if not query.is_cuda:
        return torch.cat([_in_block(block, parts, dropout) for block in rows.blocks])[None], None
    if dropout or query.dtype not in _HALVES:
        return _nested(rows, parts, dropout)[None], None
    return _variable_length(rows, parts)[None], None


def _in_block(block: Block, parts: Parts, dropout: float) -> Tensor:
    """Attend in rows of like length, padded for this step alone."""
    shape = (block.rows, block.width, *parts.query.shape[1:])

    def padded(part: Tensor) -> Tensor:
        tokens = part[block.start : block.stop]
        if block.places is None:
            return tokens.reshape(shape).transpose(1, 2)
        empty = tokens.new_zeros(block.rows * block.width, *tokens.shape[1:])
        return empty.index_copy(0, block.places, tokens).view(shape).transpose(1, 2)

    query, key, value = map(padded, parts)
    seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=block.real, dropout_p=dropout)
    tokens = seen.transpose(1, 2).reshape(-1, *parts.query.shape[1:])
    return tokens if block.places is None else tokens[block.places]


def _nested(rows: Rows, parts: Parts, dropout: float) -> Tensor:
    """Attend through nested tensors, which know dropout (varlen_attn does not) and fp32."""

    def nested(part: Tensor) -> Tensor:
        jagged = torch.nested.nested_tensor_from_jagged(part.contiguous(), rows.first, max_seqlen=rows.longest)
        return jagged.transpose(1, 2)

    query, key, value = map(nested, parts)
    seen: Any = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
    tokens: Tensor = seen.transpose(1, 2).values()
    return tokens


def _variable_length(rows: Rows, parts: Parts) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn  # a GPU's, which a CPU build may lack

    first = rows.first.to(torch.int32)
    seen = varlen_attn(*parts, first, first, rows.longest, rows.longest)
    assert isinstance(seen, Tensor)
    return seen


AttentionInterface.register(ATTENTION, packed_attention)
