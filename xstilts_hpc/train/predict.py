"""Predict one evaluation set: from examples to logits, by kind of task."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xstilts_hpc.data.batch import BatchMaker, length_sorted
from xstilts_hpc.data.encode import Encoded
from xstilts_hpc.examples import (
    ChoiceExample,
    Example,
    Kind,
    RetrievalExample,
    SequenceExample,
    SpanExample,
    TokenExample,
)
from xstilts_hpc.logits import Logits, RetrievalLogits, SequenceLogits, SpanLogits, TokenLogits
from xstilts_hpc.tasks.base import Task
from xstilts_hpc.train.pools import search_pools

# Tokens of one forward pass: fills a GPU's matrix units, and a CPU's caches are indifferent to it.
_TOKENS = {"cuda": 65_536, "cpu": 4_096}


@dataclass(frozen=True)
class Predictor:
    """A model on a device, and the precision of its matrix products."""

    model: nn.Module
    device: torch.device
    bf16: bool = False

    def rows(self, encoded: Encoded, head: str) -> list[NDArray[np.float32]]:
        """Return the model's output for every item, in order: logits of the item, or its mean-pooled sentence."""
        batches = BatchMaker(head, encoded)
        output: list[NDArray[np.float32]] = [np.zeros(0, np.float32)] * encoded.items
        self.model.eval()
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            for items in length_sorted(batches.lengths, _TOKENS[self.device.type]):
                logits = self.model(batches.make(items).to(self.device)).float().cpu()
                for item, part in zip(items, _split(encoded, logits, items), strict=True):
                    output[item] = part.numpy()
        return output


def predict(predictor: Predictor, task: Task, examples: Sequence[Example], encoded: Encoded) -> Logits:
    """Return the logits of an evaluation set in the order of its examples."""
    return _ASSEMBLE[task.kind](predictor, task, examples, encoded)


def _split(encoded: Encoded, logits: Tensor, items: NDArray[np.int64]) -> Sequence[Tensor]:
    """Cut the logits of a batch into those of its items."""
    if encoded.kind is Kind.TOKEN:
        words = encoded.ragged("word_position").lengths()[items]
        return torch.split(logits, words.tolist())
    if encoded.kind is Kind.SPAN:
        return list(logits.view(2, len(items), -1).unbind(1))
    return list(logits)


def _sequences(
    predictor: Predictor, task: Task, examples: Sequence[SequenceExample | ChoiceExample], encoded: Encoded
) -> SequenceLogits:
    rows, gold = predictor.rows(encoded, task.training_set), None
    if all(example.label is not None for example in examples):
        gold = encoded.ragged("gold").values.astype(np.int64)
    return SequenceLogits(tuple(example.id for example in examples), np.stack(rows), gold)


def _tokens(predictor: Predictor, task: Task, examples: Sequence[TokenExample], encoded: Encoded) -> TokenLogits:
    rows, gold = predictor.rows(encoded, task.training_set), None
    if all(example.tags is not None for example in examples):
        gold = encoded.ragged("gold").values.astype(np.int64)
    first_word = np.cumsum([0, *(len(example.words) for example in examples)], dtype=np.int64)
    return TokenLogits(tuple(example.id for example in examples), np.concatenate(rows), first_word, gold)


def _spans(predictor: Predictor, task: Task, examples: Sequence[SpanExample], encoded: Encoded) -> SpanLogits:
    rows = predictor.rows(encoded, task.training_set)
    begins, offsets = encoded.flat("context_begin"), encoded.ragged("offsets")
    lengths = offsets.lengths() // 2
    inside = [row[:, begin : begin + length] for row, begin, length in zip(rows, begins, lengths, strict=True)]
    contexts = list(dict.fromkeys(example.context for example in examples))
    index_of = {context: i for i, context in enumerate(contexts)}
    known = all(example.answers is not None for example in examples)
    return SpanLogits(
        example_id=tuple(example.id for example in examples),
        start_logits=np.concatenate([row[0] for row in inside]),
        end_logits=np.concatenate([row[1] for row in inside]),
        first_token=np.cumsum([0, *lengths], dtype=np.int64),
        offsets=offsets.values.reshape(-1, 2).astype(np.int64),
        max_context=encoded.ragged("max_context").values.astype(np.int64),
        null_logits=np.stack([row[:, 0] for row in rows]),
        feature_example=encoded.flat("example").astype(np.int64),
        example_context=np.array([index_of[example.context] for example in examples], dtype=np.int64),
        contexts=tuple(contexts),
        answers=tuple(_answers(example) for example in examples) if known else None,
    )


def _answers(example: SpanExample) -> str:
    answers = [{"text": answer.text, "start": answer.start} for answer in example.answers or ()]
    return json.dumps(answers, ensure_ascii=False)


def _neighbours(
    predictor: Predictor, task: Task, examples: Sequence[RetrievalExample], encoded: Encoded
) -> RetrievalLogits:
    return search_pools(task, examples, predictor.rows(encoded, task.training_set), predictor.device)


_ASSEMBLE: dict[Kind, Callable[[Predictor, Task, Any, Encoded], Logits]] = {
    Kind.SEQUENCE: _sequences,
    Kind.CHOICE: _sequences,
    Kind.TOKEN: _tokens,
    Kind.SPAN: _spans,
    Kind.RETRIEVAL: _neighbours,
}
