"""An encoder with a head for each task; heads as in the study's code (jiant, modeling/heads.py)."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import ACT2FN

from xstilts_hpc.data.batch import Batch
from xstilts_hpc.data.rows import rows_of
from xstilts_hpc.errors import ModelError
from xstilts_hpc.examples import Kind
from xstilts_hpc.families import family_of
from xstilts_hpc.model.packed import Read, read
from xstilts_hpc.tasks.base import Task

_SPAN_SIDES = 2


class PooledHead(nn.Module):
    """The vector of a row, dropout, dense, tanh, dropout, linear; for choices one score per row, within an item.

    For encoders without a pooler what stands between is what transformers' classifiers of these have: GELU for DeBERTa,
    GELU and a norm for ModernBERT.
    """

    def __init__(self, encoder: nn.Module, labels: int, *, choices: bool = False) -> None:
        """Make a fresh head; the choice head scores each of `labels` choices by itself."""
        super().__init__()
        config: Any = encoder.config
        family = family_of(config.model_type)
        self.choices = labels if choices else 0
        self.dropout = nn.Dropout(dropout_of(encoder))
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = ACT2FN[getattr(config, family.activation, family.activation)]
        self.layer_norm = _norm(encoder) if family.head_norm else nn.Identity()
        self.out = nn.Linear(config.hidden_size, 1 if choices else labels)

    def forward(self, tokens: Tensor, pooled: Tensor, batch: Batch) -> Float[Tensor, "rows labels"]:
        """Return logits per row, or per item over its choices."""
        inner = self.layer_norm(self.activation(self.dense(self.dropout(pooled))))
        logits: Tensor = self.out(self.dropout(inner))
        return logits.view(-1, self.choices) if self.choices else logits


class TokenHead(nn.Module):
    """Dropout and linear at the first token of each word: those are the `tokens` that it is given."""

    def __init__(self, hidden: int, labels: int, dropout: float) -> None:
        """Make a fresh head."""
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, labels)

    def forward(self, tokens: Tensor, pooled: Tensor, batch: Batch) -> Float[Tensor, "words labels"]:
        """Return logits per word."""
        logits: Tensor = self.out(self.dropout(tokens))
        return logits


class SpanHead(nn.Module):
    """Linear to a start and an end score per token; padding gets no probability."""

    def __init__(self, hidden: int) -> None:
        """Make a fresh head."""
        super().__init__()
        self.out = nn.Linear(hidden, _SPAN_SIDES)

    def forward(self, tokens: Tensor, pooled: Tensor, batch: Batch) -> Float[Tensor, "sides_rows longest"]:
        """Return all start logits, then all end logits: [2 * rows, longest]."""
        return batch.rows.padded(self.out(tokens).float(), -1e4).permute(2, 0, 1).flatten(0, 1)


class MaskedHead(nn.Module):
    """The encoder's language-model head: dense, GELU, layer norm, and the embedding matrix itself.

    It is given the masked tokens alone.
    Those of all families are of this form, some without biases: these begin as zeros.
    """

    def __init__(self, encoder: nn.Module) -> None:
        """Make a head whose output matrix is the encoder's embedding matrix; ModelError where that cannot be."""
        super().__init__()
        config: Any = encoder.config
        family = family_of(config.model_type)
        matrix: Any = encoder.get_submodule(family.embedding).weight
        activation = getattr(config, family.text_activation)
        if activation != "gelu" or matrix.shape[-1] != config.hidden_size:
            raise ModelError(
                f"masked-language modelling with {config.model_type}: {family.text_activation} {activation!r} and "
                f"embeddings of {matrix.shape[-1]} of {config.hidden_size} units; supported: 'gelu', and as many; "
                "leave `mlm` out of the grid, or use another model"
            )
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.layer_norm = _norm(encoder)
        self.out = nn.Linear(config.hidden_size, config.vocab_size)
        self.out.weight = matrix

    def forward(self, tokens: Tensor, pooled: Tensor, batch: Batch) -> Float[Tensor, "words vocabulary"]:
        """Return logits over the vocabulary for each masked token."""
        logits: Tensor = self.out(self.layer_norm(functional.gelu(self.dense(tokens))))
        return logits


def dropout_of(encoder: nn.Module) -> float:
    """Return the dropout of a head on an encoder."""
    config: Any = encoder.config
    return float(getattr(config, family_of(config.model_type).dropout))


def _norm(encoder: nn.Module) -> nn.LayerNorm:
    config: Any = encoder.config
    return nn.LayerNorm(config.hidden_size, eps=getattr(config, family_of(config.model_type).norm_eps))


def _pooled(encoder: nn.Module, task: Task) -> nn.Module:
    return PooledHead(encoder, len(task.labels), choices=task.kind is Kind.CHOICE)


def _token(encoder: nn.Module, task: Task) -> nn.Module:
    config: Any = encoder.config
    return TokenHead(config.hidden_size, len(task.labels), dropout_of(encoder))


def _span(encoder: nn.Module, task: Task) -> nn.Module:
    config: Any = encoder.config
    return SpanHead(config.hidden_size)


def _masked(encoder: nn.Module, task: Task) -> nn.Module:
    return MaskedHead(encoder)


HEADS: dict[Kind, Callable[[nn.Module, Task], nn.Module]] = {
    Kind.SEQUENCE: _pooled,
    Kind.CHOICE: _pooled,
    Kind.TOKEN: _token,
    Kind.SPAN: _span,
    Kind.MASKED: _masked,
}


class TaskModel(nn.Module):
    """An encoder and a head per task; maps a batch to its task's logits, one row per class to predict."""

    def __init__(self, encoder: nn.Module, tasks: Sequence[Task], *, seed: int) -> None:
        """Put fresh heads, drawn from the seed, on an encoder."""
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleDict({task.name: HEADS[task.kind](encoder, task) for task in tasks})
        config: Any = encoder.config
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in _own_parameters(self.heads):
            with torch.no_grad():
                if name.endswith("bias"):
                    parameter.zero_()
                elif "layer_norm" in name:
                    parameter.fill_(1.0)
                else:
                    parameter.normal_(0.0, config.initializer_range, generator=generator)

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits of the head of the batch's task."""
        head = self.heads[batch.task]
        seen = read(self.encoder, batch, whole=isinstance(head, SpanHead))
        logits: Tensor = head(seen.tokens, seen.pooled, batch)
        if len(self.heads) > 1 and self.training:
            logits = logits + sum(self._touched(name, seen) for name in self.heads if name != batch.task)
        return logits

    def _touched(self, name: str, seen: Read) -> Tensor:
        """Return zero, computed from a head that this batch does not use.

        So every parameter has a gradient at every step, and no ZeRO stage keeps one of an earlier step.
        """
        head: Any = self.heads[name]
        rows = getattr(head, "choices", 0) or 1
        word = torch.zeros(1, dtype=torch.int64, device=seen.pooled.device)
        one = Batch(name, word.expand(rows), rows_of([1] * rows).to(word.device), word, word)
        states = seen.pooled[:1].expand(rows, -1)
        logits: Tensor = head(states, states, one)
        return 0.0 * (logits.float().sum() + seen.pooled.float().sum())


def _own_parameters(heads: nn.ModuleDict) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield the parameters of heads that are not the encoder's."""
    for name, parameter in heads.named_parameters():
        if not (isinstance(heads[name.split(".")[0]], MaskedHead) and name.endswith("out.weight")):
            yield name, parameter
