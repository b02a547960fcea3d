"""Packed, sorted and cut into forward passes, predictions are those of one example at a time, in their order."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.tiny_families import write_family_model
from xstilts_hpc.data.batch import Batch
from xstilts_hpc.data.encode import Encoder
from xstilts_hpc.examples import Answer, ChoiceExample, RetrievalExample, SequenceExample, SpanExample, TokenExample
from xstilts_hpc.model.encoder import load_encoder, load_tokenizer
from xstilts_hpc.model.heads import TaskModel
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.scoring import score
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.train.out_of_memory import is_out_of_memory
from xstilts_hpc.train.predict import predict, predictor_of
from xstilts_hpc.train.retrieval import SentenceModel

CPU = torch.device("cpu")
RECIPE = Recipe(max_length=48, doc_stride=16, max_query_length=16, retrieval_layer_fraction=0.5)
LABELS = ("entailment", "neutral", "contradiction")
TEXTS = ("two men ran", "a cat", "two old men ran to the red cat", "no", "a cat sat in New York", "a red cat sat")
CONTEXT = "Ann sat in New York with 7 cats. "
# Of different lengths, the longest neither first nor last.
EXAMPLES: dict[str, list[Any]] = {
    "xnli": [SequenceExample(f"n{i}", text, TEXTS[i - 1], LABELS[i % 3]) for i, text in enumerate(TEXTS)],
    "hellaswag": [
        ChoiceExample(f"c{i}", text, ("ran.", "ate it.", "a", "slept"), i % 4) for i, text in enumerate(TEXTS)
    ],
    "panx": [
        TokenExample(f"t{i}", tuple(text.split()), ("O",) * len(text.split())) for i, text in enumerate([*TEXTS, ""])
    ],
    "xquad": [SpanExample(f"s{i}", text, CONTEXT * (3 - i % 3), (Answer("Ann", 0),)) for i, text in enumerate(TEXTS)],
    "tatoeba": [
        RetrievalExample(f"{'en' if i < 3 else 'de'}-{i}", text, i < 3, (f"{'de' if i < 3 else 'en'}-{(i + 3) % 6}",))
        for i, text in enumerate(TEXTS)
    ],
}
# Two or three examples to a forward pass.
TOKENS = 60


class Predictions:
    """The tiny model with the head of a task, and the encoded sets of its examples."""

    def __init__(self, name: str, model: Path, cache: Path) -> None:
        self.task = TASKS[name]
        self.location = str(model)
        self.encoder = Encoder(load_tokenizer(self.location), RECIPE, cache)

    def model(self) -> nn.Module:
        encoder = load_encoder(self.location)
        if self.task.name == "tatoeba":
            return SentenceModel(encoder, RECIPE)
        model = TaskModel(encoder, [replace(self.task, name=self.task.training_set)], seed=0)
        for parameter in model.heads.parameters():  # wide enough that predictions differ
            nn.init.normal_(parameter, 0.0, 0.5, generator=torch.Generator().manual_seed(1))
        return model

    def encoded(self, examples: list[Any]) -> Any:
        return self.encoder.encode(self.task, examples, "-".join(example.id for example in examples))

    def logits(self, examples: list[Any], model: nn.Module | None = None, **options: Any) -> Any:
        predictor = predictor_of(model or self.model(), CPU, **options)
        return predict(predictor, self.task, examples, self.encoded(examples))

    def rows(self, examples: list[Any], **options: Any) -> list[Any]:
        predictor = predictor_of(self.model(), CPU, **options)
        return predictor.rows(self.encoded(examples), self.task.training_set)


@pytest.fixture(params=list(EXAMPLES))
def predictions(request: pytest.FixtureRequest, tiny_model: Path, tmp_path: Path) -> Predictions:
    return Predictions(request.param, tiny_model, tmp_path / "cache")


def same(rows: list[Any], others: list[Any]) -> bool:
    """Say whether rows are equal; start and end scores are as wide as the longest row of their forward pass."""
    widths = [min(one.shape[-1], other.shape[-1]) for one, other in zip(rows, others, strict=True)]
    cut = [(one[..., :n], other[..., :n]) for one, other, n in zip(rows, others, widths, strict=True)]
    return all(one.shape == other.shape and np.allclose(one, other, atol=1e-5) for one, other in cut)


def floats(logits: Any) -> dict[str, Any]:
    """Return what a model computed among the logits; scores of neighbours depend on the whole pool."""
    arrays = {item.name: getattr(logits, item.name) for item in fields(logits)}
    return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray) and array.dtype.kind == "f"}


def test_rows_are_those_of_one_example_at_a_time(predictions: Predictions) -> None:
    examples = EXAMPLES[predictions.task.name]
    together = predictions.rows(examples, tokens=TOKENS)
    alone = [row for example in examples for row in predictions.rows([example])]
    assert len(together) == len(alone) >= len(examples)
    assert same(together, alone) and not same(together[::-1], alone)


@pytest.mark.parametrize("predictions", ["xnli", "hellaswag", "panx", "xquad"], indirect=True)
def test_logits_are_those_of_one_example_at_a_time_in_their_order(predictions: Predictions) -> None:
    examples = EXAMPLES[predictions.task.name]
    together, alone = predictions.logits(examples, tokens=TOKENS), [predictions.logits([one]) for one in examples]
    assert together.example_id == tuple(example.id for example in examples)
    for name, array in floats(together).items():
        assert np.allclose(array, np.concatenate([floats(one)[name] for one in alone]), atol=1e-5)


def test_a_sentence_finds_the_same_neighbours_however_many_are_read_at_once(tiny_model: Path, tmp_path: Path) -> None:
    sentences = Predictions("tatoeba", tiny_model, tmp_path / "cache")
    few, all_at_once = (sentences.logits(EXAMPLES["tatoeba"], tokens=tokens) for tokens in (1, 0))
    assert few.example_id == ("en-0", "en-1", "en-2") and few.candidate_id == ("de-3", "de-4", "de-5")
    assert few.neighbours.tolist() == all_at_once.neighbours.tolist()
    assert np.allclose(few.scores, all_at_once.scores, atol=1e-5)


@pytest.mark.parametrize("precision", ["autocast", "bf16"])
def test_half_precision_changes_logits_a_little_and_they_are_scored(predictions: Predictions, precision: str) -> None:
    examples = EXAMPLES[predictions.task.name]
    whole, half = predictions.logits(examples), predictions.logits(examples, precision=precision)
    differences = []
    for name, array in floats(half).items():
        assert array.dtype == np.float32
        differences.append(float(np.abs(array - floats(whole)[name]).max()))
    assert 0 < max(differences) < 0.2
    assert set(score(predictions.task, half, "de")) == set(score(predictions.task, whole, "de"))


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_weights_are_held_in_the_precision_asked_for(
    predictions: Predictions, precision: str, dtype: torch.dtype
) -> None:
    predictor = predictor_of(predictions.model().bfloat16().train(), CPU, precision)
    assert {parameter.dtype for parameter in predictor.model.parameters()} == {dtype}
    assert not predictor.model.training


def test_what_turns_positions_into_angles_stays_in_fp32(tmp_path: Path) -> None:
    encoder = load_encoder(str(write_family_model(tmp_path, "modernbert")))
    before = {name: value.clone() for name, value in encoder.named_buffers() if value.is_floating_point()}
    after = dict(predictor_of(encoder, CPU, "bf16").model.named_buffers())
    assert before and all(torch.equal(after[name], value) for name, value in before.items())


class SmallMemory(nn.Module):
    """A model on a device whose memory holds so many tokens."""

    def __init__(self, model: nn.Module, most: int) -> None:
        super().__init__()
        self.model, self.encoder, self.most = model, model.encoder, most
        self.tried: list[int] = []

    def forward(self, batch: Batch) -> torch.Tensor:
        self.tried.append(len(batch.input_ids))
        if len(batch.input_ids) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        logits: torch.Tensor = self.model(batch)
        return logits


def test_where_memory_runs_out_half_as_many_tokens_are_tried_from_there_on(predictions: Predictions) -> None:
    examples = EXAMPLES[predictions.task.name]
    rows = predictions.rows(examples)
    encoded = predictions.encoded(examples)
    whole = len(encoded.ragged("input_ids").values)
    small = SmallMemory(predictions.model(), whole // 3)
    predictor = predictor_of(small, CPU)
    assert same(predictor.rows(encoded, predictions.task.training_set), rows)
    # All at once, half, a quarter: then what fits, and never again what did not.
    assert small.tried[0] == whole and sum(tokens > whole // 3 for tokens in small.tried) == 2
    assert predictor.tokens <= whole // 3
    before = len(small.tried)
    predictor.rows(encoded, predictions.task.training_set)
    assert max(small.tried[before:]) <= whole // 3


def test_an_example_that_does_not_fit_alone_is_out_of_memory_and_says_what_to_do(predictions: Predictions) -> None:
    examples = EXAMPLES[predictions.task.name]
    with pytest.raises(MemoryError, match=r"a single example of \d+ tokens: use a device with more memory") as raised:
        predictions.logits(examples, SmallMemory(predictions.model(), 1))
    assert is_out_of_memory(raised.value)


def test_another_error_of_the_model_is_not_taken_for_memory(tiny_model: Path, tmp_path: Path) -> None:
    pairs = Predictions("xnli", tiny_model, tmp_path / "cache")
    model = pairs.model()
    model.heads.clear()  # type: ignore[operator,union-attr]
    with pytest.raises(KeyError, match="mnli"):
        pairs.logits(EXAMPLES["xnli"], model)
