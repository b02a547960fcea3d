"""An encoder with a head for one kind of task; heads as in the study's code (jiant, modeling/heads.py)."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from xstilts_hpc.data.batch import Batch
from xstilts_hpc.examples import Kind
from xstilts_hpc.tasks.base import Task

_SPAN_SIDES = 2


class PooledHead(nn.Module):
    """Pooler output, dropout, dense, tanh, dropout, linear; for choices one score per row, compared within an item."""

    def __init__(self, hidden: int, labels: int, dropout: float, *, choices: bool = False) -> None:
        """Make a fresh head; the choice head scores each of `labels` choices by itself."""
        super().__init__()
        self.choices = labels if choices else 0
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 1 if choices else labels)

    def forward(self, tokens: Tensor, pooled: Tensor, batch: Batch) -> Float[Tensor, "rows labels"]:
        """Return logits per row, or per item over its choices."""
        logits: Tensor = self.out(self.dropout(torch.tanh(self.dense(self.dropout(pooled)))))
        return logits.view(-1, self.choices) if self.choices else logits


class TokenHead(nn.Module):
    """Dropout and linear at the first token of each word."""

    def __init__(self, hidden: int, labels: int, dropout: float) -> None:
        """Make a fresh head."""
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, labels)

    def forward(self, tokens: Tensor, pooled: Tensor, batch: Batch) -> Float[Tensor, "words labels"]:
        """Return logits per word."""
        words: Tensor = tokens[batch.words[:, 0], batch.words[:, 1]]
        logits: Tensor = self.out(self.dropout(words))
        return logits


class SpanHead(nn.Module):
    """Linear to a start and an end score per token; padding gets no probability."""

    def __init__(self, hidden: int) -> None:
        """Make a fresh head."""
        super().__init__()
        self.out = nn.Linear(hidden, _SPAN_SIDES)

    def forward(self, tokens: Tensor, pooled: Tensor, batch: Batch) -> Float[Tensor, "sides_batch tokens"]:
        """Return all start logits, then all end logits: [2 * batch, tokens]."""
        logits: Tensor = self.out(tokens).float().masked_fill(~batch.attention_mask[..., None], -1e4)
        return logits.permute(2, 0, 1).flatten(0, 1)


def _sequence(hidden: int, labels: int, dropout: float) -> nn.Module:
    return PooledHead(hidden, labels, dropout)


def _choice(hidden: int, labels: int, dropout: float) -> nn.Module:
    return PooledHead(hidden, labels, dropout, choices=True)


def _span(hidden: int, labels: int, dropout: float) -> nn.Module:
    return SpanHead(hidden)


HEADS: dict[Kind, Callable[[int, int, float], nn.Module]] = {
    Kind.SEQUENCE: _sequence,
    Kind.CHOICE: _choice,
    Kind.TOKEN: TokenHead,
    Kind.SPAN: _span,
}


class TaskModel(nn.Module):
    """An encoder and a head; maps a batch to logits with one row per class to predict."""

    def __init__(self, encoder: nn.Module, task: Task, *, seed: int) -> None:
        """Put a fresh head, drawn from the seed, on an encoder."""
        super().__init__()
        self.encoder = encoder
        config: Any = encoder.config
        generator = torch.Generator().manual_seed(seed)
        self.head = HEADS[task.kind](config.hidden_size, len(task.labels), config.hidden_dropout_prob)
        for name, parameter in self.head.named_parameters():
            with torch.no_grad():
                if name.endswith("bias"):
                    parameter.zero_()
                else:
                    parameter.normal_(0.0, config.initializer_range, generator=generator)

    def forward(self, batch: Batch) -> Tensor:
        """Return the head's logits of a batch."""
        output = self.encoder(input_ids=batch.input_ids, attention_mask=batch.attention_mask)
        logits: Tensor = self.head(output.last_hidden_state, output.pooler_output, batch)
        return logits
