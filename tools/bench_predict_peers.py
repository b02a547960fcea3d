"""What tools/bench_predict.py compares: evaluation sets, and the ways to predict them with the same weights."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from bench_common import SIZES, padded
from bench_sample import grouped, taken, typical
from numpy.typing import NDArray
from torch import Tensor, nn

from xstilts_hpc.data.encode import Encoded, Encoder
from xstilts_hpc.examples import Kind
from xstilts_hpc.files import Memory
from xstilts_hpc.model.heads import TaskModel
from xstilts_hpc.model.packed import ATTENTION
from xstilts_hpc.model.random_model import random_encoder
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.tasks import TASKS, task_of
from xstilts_hpc.tasks.base import Split, Task
from xstilts_hpc.tasks.folder import DataFolder
from xstilts_hpc.train.predict import Predictor, predictor_of


@dataclass(frozen=True)
class Reading:
    """How XTREME's scripts read a task: split here, width, batch size (8 is their default); `share` of the examples.

    The shares are those of the official test sets: 1,190 questions a language where XNLI has 5,010 pairs.
    """

    split: Split
    width: int
    batch: int
    share: float

    def of(self, count: int) -> int:
        """Return the share of a number, at least 1."""
        return max(1, round(count * self.share))


READINGS = {
    "xnli": Reading(Split.TEST, 128, 8, 1.0),
    "panx": Reading(Split.DEV, 128, 32, 1.0),
    "xquad": Reading(Split.TEST, 384, 8, 1_190 / 5_010),
}

CONTENDERS = (
    *("padded_fp32", "trainer_fp32", "ours_fp32"),
    *("padded_autocast", "trainer_autocast", "ours_autocast", "ours_bf16"),
)

# Logits of one item: [labels], [words, labels] or [start and end, tokens].
Arrays = list[NDArray[np.float32]]
# Predicts a language; returns seconds and logits.
Contender = Callable[["LanguageSet"], tuple[float, Arrays]]


@dataclass(frozen=True)
class LanguageSet:
    """The encoded examples of a task in one language, and what the peers read of them."""

    task: Task
    language: str
    encoded: Encoded
    features: list[dict[str, Any]]
    padded: list[dict[str, Tensor]]

    @property
    def tokens(self) -> int:
        """Return the number of real tokens."""
        return sum(len(feature["input_ids"]) for feature in self.features)


class Padded(nn.Module):
    """The encoder and a head of our model, read in padded rows by transformers' own attention."""

    def __init__(self, model: TaskModel, task: Task, *, autocast: bool) -> None:
        """Share the weights of a model; `autocast` is what must hold wherever it is called."""
        super().__init__()
        self.encoder, self.head = model.encoder, model.heads[task.training_set]
        self.kind, self.autocast = task.kind, autocast

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        """Return logits per row, or per token, padding included."""
        assert torch.is_autocast_enabled(input_ids.device.type) == self.autocast
        output = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
        if self.kind is Kind.SEQUENCE:
            return {"logits": self.head(output.last_hidden_state, output.pooler_output, None)}
        return {"logits": self.head.out(output.last_hidden_state)}  # type: ignore[operator]


def device() -> torch.device:
    """Return the GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def random_task_model(size: str, pieces: int) -> TaskModel:
    """Return an encoder with random weights, and the heads of all tasks: the same every time."""
    layers, hidden = SIZES[size]
    encoder = random_encoder(pieces=pieces, layers=layers, hidden=hidden)
    return TaskModel(encoder, [task_of(TASKS[name].training_set) for name in READINGS], seed=0).eval()


def encoded_sets(
    folder: Path, tokenizer: Any, names: Sequence[str], languages: Sequence[str], count: int
) -> Iterator[tuple[Task, str, Encoded]]:
    """Yield some tasks in the languages asked for (all where none is) that are here, cut at the width of the scripts.

    Each has as many rows as an official set (`count` times the share of the task), drawn from those here.
    """
    with tempfile.TemporaryDirectory() as cache:
        data = DataFolder(folder, Memory(Path(cache) / "data.json"))
        for task, reading in ((TASKS[name], READINGS[name]) for name in names):
            recipe = Recipe().with_changes(task.recipe, {"max_length": reading.width})
            encoder = Encoder(tokenizer, recipe, Path(cache) / "encoded")
            for language in task.languages:
                if language in (languages or task.languages) and data.has(task, reading.split, language):
                    examples = list(data.locate(task, reading.split, language).examples())
                    encoded = encoder.encode(task, examples, language)
                    drawn = np.random.default_rng(0).choice(encoded.items, reading.of(count))
                    yield task, language, taken(encoded, drawn)


def typical_rows(encoded: Encoded, batch: int, batches: int) -> Encoded:
    """Return the rows of typical batches that HF Trainer makes of a set, in its order."""
    lengths = encoded.ragged("input_ids").lengths()
    return taken(encoded, np.concatenate(typical(grouped(lengths, batch), lengths, batches)))


def language_set(task: Task, language: str, encoded: Encoded) -> LanguageSet:
    """Return a language with the rows that the peers read; those of fixed width are made before the clock runs."""
    ids, reading = encoded.ragged("input_ids"), READINGS[task.name]
    features = [{"input_ids": ids[i]} for i in range(len(ids))]
    batches = [features[i : i + reading.batch] for i in range(0, len(features), reading.batch)]
    return LanguageSet(task, language, encoded, features, [padded(batch, reading.width) for batch in batches])


def contenders_of(model: TaskModel, half: TaskModel, trainer_batch: int) -> dict[str, Contender]:
    """Return what is compared, in the order of a round; `half` is the same model again, whose weights become bf16."""
    return {
        "padded_fp32": partial(padded_loop, model, autocast=False),
        "trainer_fp32": partial(hf_trainer, model, batch=trainer_batch, autocast=False),
        "ours_fp32": partial(ours, predictor_of(model, device(), "fp32")),
        "padded_autocast": partial(padded_loop, model, autocast=True),
        "trainer_autocast": partial(hf_trainer, model, batch=trainer_batch, autocast=True),
        "ours_autocast": partial(ours, predictor_of(model, device(), "autocast")),
        "ours_bf16": partial(ours, predictor_of(half, device(), "bf16")),
    }


def padded_loop(model: TaskModel, language: LanguageSet, *, autocast: bool) -> tuple[float, Arrays]:
    """Predict in a plain loop over batches of fixed width."""
    model.encoder.set_attn_implementation("sdpa")  # type: ignore[operator]
    peer, found = Padded(model, language.task, autocast=autocast), []
    started = time.perf_counter()
    with torch.inference_mode(), torch.autocast(device().type, torch.bfloat16, enabled=autocast):
        for batch in language.padded:
            logits = peer(**{name: values.to(device()) for name, values in batch.items()})["logits"]
            found.extend(logits.float().cpu().numpy())
    return time.perf_counter() - started, [real(language, i, row) for i, row in enumerate(found)]


def hf_trainer(model: TaskModel, language: LanguageSet, *, batch: int, autocast: bool) -> tuple[float, Arrays]:
    """Predict with HF Trainer, whose making is not timed; rows come in the order of its groups already.

    Every call makes one: the precision of all Trainers of a process is that of the newest.
    """
    model.encoder.set_attn_implementation("sdpa")  # type: ignore[operator]
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder,
            per_device_eval_batch_size=batch,
            bf16=autocast,
            use_cpu=device().type == "cpu",
            remove_unused_columns=False,
            dataloader_pin_memory=device().type != "cpu",
            report_to=[],
            disable_tqdm=True,
        )
        peer = Padded(model, language.task, autocast=autocast)
        trainer = transformers.Trainer(peer, arguments, data_collator=padded)
        started = time.perf_counter()
        predictions = trainer.predict(language.features).predictions
    return time.perf_counter() - started, list(predictions)


def ours(predictor: Predictor, language: LanguageSet) -> tuple[float, Arrays]:
    """Predict with the project's own Predictor."""
    predictor.model.encoder.set_attn_implementation(ATTENTION)  # type: ignore[operator,union-attr]
    started = time.perf_counter()
    rows = predictor.rows(language.encoded, language.task.training_set)
    seconds = time.perf_counter() - started
    if language.task.kind is Kind.SPAN:
        rows = [row[:, : len(feature["input_ids"])] for row, feature in zip(rows, language.features, strict=True)]
    return seconds, rows


def real(language: LanguageSet, item: int, logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut the logits of a padded row to what ours are: words, or start and end scores without padding."""
    if language.task.kind is Kind.TOKEN:
        words = language.encoded.ragged("word_position")[item]
        return np.take(logits, words, axis=0)
    if language.task.kind is Kind.SPAN:
        return logits[: len(language.features[item]["input_ids"])].T
    return logits
