"""Read packed rows with an encoder: no padding anywhere, attention confined to each row.

The encoder's linear layers see one long row of real tokens. Its attention is ours, registered with transformers: on a
GPU PyTorch's own variable-length kernels, on a CPU the usual one on blocks of rows of like length. An encoder whose
attention cannot be replaced (mDeBERTa's adds scores of relative positions) reads rows of like length, padded to the
longest of them.
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
from xstilts_hpc.families import family_of
from xstilts_hpc.model.last_layer import skip_unread

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
    """What an encoder makes of a batch: last hidden states, of all tokens or of the batch's words, and a vector a row.

    That is the pooler's output where the encoder has one, else the first token's state, or the mean over the tokens
    where the configuration says so (classifier_pooling), as in transformers' own classifiers of these encoders.
    """

    tokens: Float[Tensor, "states hidden"]
    pooled: Float[Tensor, "rows hidden"]


def read_tokens(encoder: Any, batch: Batch, wanted: Tensor | None = None) -> Float[Tensor, "states hidden"]:
    """Return the last hidden state of every token, or of those `wanted` in that order.

    XLM-R counts positions from its padding id + 1. ModelError where the encoder's attention does not know packed rows.
    """
    family = family_of(encoder.config.model_type)
    if not family.packed:
        whole = _read_padded(encoder, batch)
        return whole if wanted is None else whole[wanted]
    if encoder.config._attn_implementation != ATTENTION:
        raise ModelError(
            f"this encoder's attention is {encoder.config._attn_implementation}, which would look across the packed "
            f"rows; load it with load_encoder, or call its set_attn_implementation({ATTENTION!r})"
        )
    positions = batch.rows.position + (encoder.config.pad_token_id + 1 if family.unused_positions else 0)
    left_out = wanted is not None and skip_unread(encoder)
    ours = {"rows": batch.rows, "wanted": wanted if left_out else None}
    output = encoder(input_ids=batch.input_ids[None], position_ids=positions[None], **ours)
    states: Tensor = output.last_hidden_state[0]
    return states if wanted is None or left_out else states[wanted]


def _read_padded(encoder: Any, batch: Batch) -> Float[Tensor, "tokens hidden"]:
    """Return the last hidden state of every token by passes over padded rows, those of like length together.

    Where weights are sharded it is one pass, since every rank has to do equally many.
    """
    sharded = hasattr(next(encoder.parameters()), "ds_id")
    blocks = (_one_block(batch.rows),) if sharded else batch.rows.blocks
    return torch.cat([_read_block(encoder, batch.input_ids[block.start : block.stop], block) for block in blocks])


def _read_block(encoder: Any, tokens: Tensor, block: Block) -> Tensor:
    """Read some rows, padded by a piece that they have: the padding id need not be among those that are trained."""
    shape = (block.rows, block.width)
    if block.places is None or block.real is None:
        ids = tokens.view(shape)
        whole: Tensor = encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        return whole.flatten(0, 1)
    places, real = block.places.to(tokens.device), block.real[:, 0, 0].to(tokens.device)
    ids = tokens[:1].repeat(block.rows * block.width).index_copy(0, places, tokens).view(shape)
    states: Tensor = encoder(input_ids=ids, attention_mask=real.long()).last_hidden_state
    return states.flatten(0, 1)[places]


def read(encoder: Any, batch: Batch, *, whole: bool) -> Read:
    """Return hidden states, of all tokens where the `whole` is asked for, else of the batch's words, and pooled rows.

    The encoder's own pooler reads the first token of the batch alone.
    """
    starts, pooler = batch.rows.starts, family_of(encoder.config.model_type).pooler
    if not pooler and getattr(encoder.config, "classifier_pooling", "cls") == "mean":
        tokens = read_tokens(encoder, batch)
        means = torch.segment_reduce(tokens.float(), "mean", offsets=batch.rows.first, axis=0)
        return Read(tokens if whole else tokens[batch.words], means.to(tokens.dtype))
    states = read_tokens(encoder, batch, None if whole else torch.cat([starts, batch.words]))
    first, tokens = (states[starts], states) if whole else (states[: len(starts)], states[len(starts) :])
    return Read(tokens, encoder.pooler(first[:, None]) if pooler else first)


def packed_attention(
    module: nn.Module,
    query: Float[Tensor, "1 heads tokens dim"],
    key: Float[Tensor, "1 heads tokens dim"],
    value: Float[Tensor, "1 heads tokens dim"],
    attention_mask: None,
    **options: Any,
) -> tuple[Float[Tensor, "1 tokens heads dim"], None]:
    """Attend within each row. Scores are divided by the root of `dim`, as those of all families are.

    `sliding_window` (ModernBERT's local layers; None elsewhere) confines a token to others less far away than that.
    """
    rows, dropout = options["rows"], float(options["dropout"])
    window = int(options.get("sliding_window") or rows.longest)
    parts = Parts(*(part[0].transpose(0, 1) for part in (query, key, value)))
    if not query.is_cuda:
        return torch.cat([_in_block(block, parts, dropout, window) for block in rows.blocks])[None], None
    if not dropout and query.dtype in _HALVES:
        return _variable_length(rows, parts, window)[None], None
    if window < rows.longest:  # nested tensors know no windows
        return _in_block(_one_block(rows), parts, dropout, window)[None], None
    return _nested(rows, parts, dropout)[None], None


def _one_block(rows: Rows) -> Block:
    """Return all rows as one block, on their device."""
    real = rows.real()[:, None, None, :]
    return Block(0, len(rows.position), len(rows.lengths), rows.longest, rows.places(), real)


def _in_block(block: Block, parts: Parts, dropout: float, window: int) -> Tensor:
    """Attend in rows of like length, padded for this step alone."""
    shape = (block.rows, block.width, *parts.query.shape[1:])

    def padded(part: Tensor) -> Tensor:
        tokens = part[block.start : block.stop]
        if block.places is None:
            return tokens.reshape(shape).transpose(1, 2)
        empty = tokens.new_zeros(block.rows * block.width, *tokens.shape[1:])
        return empty.index_copy(0, block.places, tokens).view(shape).transpose(1, 2)

    query, key, value = map(padded, parts)
    mask = block.real
    if window < block.width:
        place = torch.arange(block.width, device=query.device)
        near = (place[:, None] - place).abs() < window
        mask = near if mask is None else mask & near
    seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
    tokens = seen.transpose(1, 2).reshape(-1, *parts.query.shape[1:])
    return tokens if block.places is None else tokens[block.places]


def _nested(rows: Rows, parts: Parts, dropout: float) -> Tensor:
    """Attend through nested tensors, which know dropout (varlen_attn does not) and fp32.

    They are told the lengths of the shortest and longest row, which they would otherwise wait for the device to count.
    """

    def nested(part: Tensor) -> Tensor:
        jagged = torch.nested.nested_tensor_from_jagged(
            part.contiguous(), rows.first, min_seqlen=rows.shortest, max_seqlen=rows.longest
        )
        return jagged.transpose(1, 2)

    query, key, value = map(nested, parts)
    seen: Any = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
    tokens: Tensor = seen.transpose(1, 2).values()
    return tokens


def _variable_length(rows: Rows, parts: Parts, window: int) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn  # a GPU's, which a CPU build may lack

    first = rows.first.to(torch.int32)
    if window < rows.longest:
        seen = varlen_attn(*parts, first, first, rows.longest, rows.longest, window_size=(window - 1, window - 1))
    else:  # an older torch knows no windows
        seen = varlen_attn(*parts, first, first, rows.longest, rows.longest)
    assert isinstance(seen, Tensor)
    return seen


AttentionInterface.register(ATTENTION, packed_attention)
