"""The padded computation that packing stands for: rows padded to the longest, a mask over the padding."""

from typing import Any

import torch
from torch import Tensor

from xstilts_hpc.data.batch import Batch
from xstilts_hpc.model.heads import SpanHead, TaskModel


def padded_logits(model: TaskModel, batch: Batch, *, width: int = 0) -> Tensor:
    """Return the logits of a batch from padded rows, through transformers' own attention and masks.

    `width` pads further than to the longest row. The heads read the same tokens and pooled rows as in packed rows.
    """
    encoder: Any = model.encoder
    lengths = batch.rows.first.diff()
    real = torch.arange(max(width, batch.rows.longest)) < lengths[:, None]
    ids = torch.full(real.shape, encoder.config.pad_token_id)
    ids[real] = batch.input_ids
    before = encoder.config._attn_implementation
    encoder.set_attn_implementation("sdpa")
    output = encoder(input_ids=ids, attention_mask=real.long())
    encoder.set_attn_implementation(before)
    head, tokens = model.heads[batch.task], output.last_hidden_state[real]
    logits: Tensor = head(tokens if isinstance(head, SpanHead) else tokens[batch.words], output.pooler_output, batch)
    return logits
