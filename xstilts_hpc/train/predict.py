"""Predict one evaluation set: from examples to logits, by kind of task."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xstilts_hpc.data.batch import Batch, BatchMaker, fitting
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
from xstilts_hpc.train.memory import tokens_on_cpu
from xstilts_hpc.train.micro_batches import Items
from xstilts_hpc.train.out_of_memory import is_out_of_memory
from xstilts_hpc.train.pools import search_pools

T = TypeVar("T")
# Waits until logits have arrived on the host, and returns them.
OnHost = Callable[[], Tensor]

# Tokens of one forward pass that fill a GPU's matrix units.
_TOKENS_ON_GPU = 65_536


@dataclass
class Predictor:
    """A model on a device; `precision` is `fp32`, `autocast` (products in bf16) or `bf16` (the weights too).

    A forward pass takes at most `tokens` tokens, or one item: half as many each time memory runs out.
    """

    model: nn.Module
    device: torch.device
    precision: str
    tokens: int

    def rows(self, encoded: Encoded, head: str) -> list[NDArray[np.float32]]:
        """Return the model's output for every item, in order: logits of the item, or its mean-pooled sentence.

        MemoryError where memory runs out with a single item.
        """
        output, split = [np.zeros(0, np.float32)] * encoded.items, _splitter(encoded)
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "autocast")
        with torch.inference_mode(), autocast:
            for items, on_host in _one_late(self._launched(BatchMaker(head, encoded))):
                for item, part in zip(items, split(on_host(), items), strict=True):
                    output[item] = part.numpy()
        return output

    def _launched(self, batches: BatchMaker) -> Iterator[tuple[Items, OnHost]]:
        """Start one forward pass after the other, the longest items first; yield what waits for its logits."""
        left = np.argsort(-batches.lengths, kind="stable")
        while len(left):
            items = left[: fitting(batches.lengths[left], self.tokens)]
            on_host = self._launch(batches, items)
            if on_host is None:
                self._halve(int(batches.lengths[items].sum()))
                continue
            left = left[len(items) :]
            yield items, on_host

    def _launch(self, batches: BatchMaker, items: Items) -> OnHost | None:
        """Start the forward pass of some items; None where memory ran out."""
        try:
            return _to_host(self.model(_to_device(batches.make(items), self.device)))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if len(items) > 1:
                return None
            raise MemoryError(
                f"out of memory predicting a single example of {batches.lengths[items[0]]} tokens: use a device with "
                "more memory, fewer runs_per_gpu, or a smaller recipe.max_length"
            ) from error

    def _halve(self, tried: int) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        self.tokens = max(1, min(self.tokens, tried) // 2)


def predictor_of(model: nn.Module, device: torch.device, precision: str = "fp32", *, tokens: int = 0) -> Predictor:
    """Take over a model: move it to a device, in the precision of its weights; 0 `tokens` are what suits the device."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    for parameter in model.parameters():  # and no buffer: rotary frequencies in bf16 are half a radian off at token 511
        parameter.data = parameter.data.to(device, dtype)
    config: Any = getattr(model, "encoder", model).config
    suited = _TOKENS_ON_GPU if device.type == "cuda" else tokens_on_cpu(config)
    return Predictor(model.to(device).eval(), device, precision, tokens or suited)


def predict(predictor: Predictor, task: Task, examples: Sequence[Example], encoded: Encoded) -> Logits:
    """Return the logits of an evaluation set in the order of its examples."""
    return _ASSEMBLE[task.kind](predictor, task, examples, encoded)


def _one_late(values: Iterator[T]) -> Iterator[T]:
    """Yield each value after the next one was made, so that a device has work while the host looks at results."""
    before: list[T] = []
    for value in values:
        yield from before
        before = [value]
    yield from before


def _to_device(batch: Batch, device: torch.device) -> Batch:
    """Copy a batch to the device; only from pinned memory does a copy to a GPU not wait for it."""
    if device.type != "cuda":
        return batch.to(device)
    rows = replace(batch.rows, first=batch.rows.first.pin_memory(), position=batch.rows.position.pin_memory())
    ids, gold, words = (part.pin_memory() for part in (batch.input_ids, batch.gold, batch.words))
    return Batch(batch.task, ids, rows, gold, words).to(device)


def _to_host(logits: Tensor) -> OnHost:
    """Begin to copy logits to the host, as float32; what is returned waits until they are there."""
    host = logits.float().to("cpu", non_blocking=True)
    if not logits.is_cuda:
        return lambda: host
    copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
    copied.record()

    def wait() -> Tensor:
        copied.synchronize()
        return host

    return wait


def _splitter(encoded: Encoded) -> Callable[[Tensor, Items], Sequence[Tensor]]:
    """Return what cuts the logits of some items, one forward pass, into those of each item."""
    if encoded.kind is Kind.TOKEN:
        words = encoded.ragged("word_position").lengths()
        return lambda logits, items: torch.split(logits, words[items].tolist())
    if encoded.kind is Kind.SPAN:
        return lambda logits, items: list(logits.view(2, len(items), -1).unbind(1))
    return lambda logits, items: list(logits)


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
