"""What the benchmarks of speed share: real rows, models with random weights, and the peers we are compared with.

The peers are (a) a loop padded to the maximum, as XTREME's scripts do, (b) HF Trainer with dynamic padding and length
grouping, (c) the same with DeepSpeed. All train transformers' own classes on our encoder's weights, with dropout and
the whole vocabulary.
"""

import functools
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from bench_lengths import invented_rows
from numpy.typing import NDArray
from torch import Tensor, nn

from xstilts_hpc.data.encode import Encoded, Encoder
from xstilts_hpc.examples import Kind
from xstilts_hpc.files import Memory
from xstilts_hpc.model.heads import TaskModel
from xstilts_hpc.model.random_model import random_encoder, tokenizer_of
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.tasks import task_of
from xstilts_hpc.tasks.base import Split
from xstilts_hpc.tasks.folder import DataFolder
from xstilts_hpc.train.ranks import join_ranks
from xstilts_hpc.train.zero import decay_groups

SHARED_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
PIECES = 250_002
# The maximum that XTREME's scripts pad to.
WIDTHS = {"mnli": 128, "squad_v1": 384, "panx": 128}
# Layers and hidden units.
SIZES = {"tiny": (2, 64), "base": (12, 768), "large": (24, 1024)}
_NO_CLASS = -100
_LEARNING_RATE = 1e-5

Items = NDArray[np.int64]


@dataclass(frozen=True)
class Setup:
    """How a peer trains: device, matrix products in bf16 (by autocast) or fp32, and examples per micro-batch."""

    device: torch.device
    bf16: bool
    micro_batch: int


@dataclass(frozen=True)
class Timing:
    """Seconds, real tokens, and tokens read (padding included) of each update, the first left out."""

    seconds: tuple[float, ...]
    tokens: tuple[int, ...]
    read: tuple[int, ...]

    @property
    def tokens_per_s(self) -> float:
        """Return real tokens a second over all updates."""
        return sum(self.tokens) / sum(self.seconds)

    @property
    def seconds_per_update(self) -> float:
        """Return the mean."""
        return sum(self.seconds) / len(self.seconds)


@functools.cache
def rows(kind: str, count: int, seed: int) -> Encoded:
    """Return `count` encoded training rows of a task in a seeded order, again from the first where there are fewer.

    They are cut at the length in WIDTHS. Without the small real data beside the checkout they are invented, of
    the same lengths, with random pieces.
    """
    if not SHARED_DATA.is_dir():
        return invented_rows(kind, count, seed)
    task, data = task_of(kind), DataFolder(SHARED_DATA, Memory(Path(tempfile.gettempdir()) / "xstilts_bench.json"))
    recipe = Recipe().with_changes(task.recipe, {"max_length": WIDTHS[kind]})
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = tokenizer_of(SHARED_DATA / "tokenizer" / "xlm-roberta")
        encoder, examples = Encoder(tokenizer, recipe, Path(folder)), list(data.locate(task, Split.TRAIN).examples())
        encoded = encoder.encode(task, examples, "bench")
        order = np.random.default_rng(seed).permutation(encoded.items)
        return Encoded(encoded.kind, encoded.table.take(np.resize(order, count)), encoded.rows_per_item)


def batches_in_order(count: int, batch_size: int) -> list[Items]:
    """Return the items of each update: all of them, in order, a last incomplete batch left out."""
    return list(np.arange(count - count % batch_size).reshape(-1, batch_size))


def task_model(
    kind: str, size: str, *, pieces: int = PIECES, seed: int = 0, device: torch.device | str = "cpu"
) -> TaskModel:
    """Return an encoder of a size in SIZES with random weights, and the head of a task; drawn and left on a device."""
    layers, hidden = SIZES[size]
    encoder = random_encoder(pieces=pieces, layers=layers, hidden=hidden, seed=seed, device=device)
    return TaskModel(encoder, [task_of(kind)], seed=seed).to(device)


def peer_of(model: TaskModel, kind: str) -> nn.Module:
    """Return transformers' own class for a task around the encoder of our model, which it takes over."""
    task, encoder = task_of(kind), model.encoder
    config: Any = encoder.config
    config.num_labels = 2 if task.kind is Kind.SPAN else len(task.labels)
    with torch.device("meta"):
        peer = _CLASSES[task.kind](config)
    encoder.set_attn_implementation("sdpa")  # type: ignore[operator]
    encoder.pooler = None  # type: ignore[assignment]
    peer.roberta = encoder
    head = peer.qa_outputs if task.kind is Kind.SPAN else peer.classifier
    head.to_empty(device="cpu")
    for name, parameter in head.named_parameters():
        nn.init.zeros_(parameter) if name.endswith("bias") else nn.init.normal_(parameter, 0.0, 0.02)
    return peer  # type: ignore[no-any-return]


_CLASSES: dict[Kind, Any] = {
    Kind.SEQUENCE: transformers.XLMRobertaForSequenceClassification,
    Kind.TOKEN: transformers.XLMRobertaForTokenClassification,
    Kind.SPAN: transformers.XLMRobertaForQuestionAnswering,
}


def features_of(encoded: Encoded) -> list[dict[str, Any]]:
    """Return rows as transformers' classes read them: ids, and labels or start and end positions."""
    ids, gold = encoded.ragged("input_ids"), encoded.ragged("gold")
    if encoded.kind is Kind.SPAN:
        return [
            {"input_ids": ids[i], "start_positions": gold[i][0], "end_positions": gold[i][1]} for i in range(len(ids))
        ]
    if encoded.kind is Kind.SEQUENCE:
        return [{"input_ids": ids[i], "labels": gold[i][0]} for i in range(len(ids))]
    words = encoded.ragged("word_position")
    return [{"input_ids": ids[i], "labels": _at_words(ids[i], words[i], gold[i])} for i in range(len(ids))]


def _at_words(ids: Items, words: Items, gold: Items) -> Items:
    labels = np.full(len(ids), _NO_CLASS)
    labels[words] = gold
    return labels


def padded(features: Sequence[dict[str, Any]], width: int = 0) -> dict[str, Tensor]:
    """Return a padded batch: to the longest row, or to `width`."""
    width = width or max(len(feature["input_ids"]) for feature in features)
    batch = {"attention_mask": np.zeros((len(features), width), np.int64)}
    for name in features[0]:
        values = [feature[name] for feature in features]
        if np.ndim(values[0]):
            batch[name] = np.full((len(features), width), 1 if name == "input_ids" else _NO_CLASS)
            for i, value in enumerate(values):
                batch[name][i, : len(value)] = value
        else:
            batch[name] = np.array(values, np.int64)
    for i, feature in enumerate(features):
        batch["attention_mask"][i, : len(feature["input_ids"])] = 1
    return {name: torch.from_numpy(values) for name, values in batch.items()}


def padded_loop(model: nn.Module, encoded: Encoded, batches: Sequence[Items], *, width: int, setup: Setup) -> Timing:
    """Train peer (a): a plain loop whose rows are padded to `width`, with fused AdamW and clipping."""
    features, times, tokens = features_of(encoded), [], []
    model.to(setup.device).train()
    optimizer = torch.optim.AdamW(decay_groups(model, 0.01), lr=_LEARNING_RATE, fused=True)
    for items in batches:
        started = time.perf_counter()
        for start in range(0, len(items), setup.micro_batch):
            share = items[start : start + setup.micro_batch]
            batch = {k: v.to(setup.device) for k, v in padded([features[i] for i in share], width).items()}
            with torch.autocast(setup.device.type, torch.bfloat16, enabled=setup.bf16):
                loss = model(**batch).loss * (len(share) / len(items))
            loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        settle(setup.device)
        times.append(time.perf_counter() - started)
        tokens.append(sum(len(features[i]["input_ids"]) for i in items))
    return Timing(tuple(times[1:]), tuple(tokens[1:]), tuple(width * len(items) for items in batches[1:]))


def hf_trainer(
    model: nn.Module, encoded: Encoded, batches: Sequence[Items], *, setup: Setup, zero_stage: int | None = None
) -> Timing:
    """Train peer (b), or (c) where a ZeRO stage is given, with HF Trainer and padding to the longest of a micro-batch.

    The batches come in the order given: that of the Trainer's own groups where bench_sample.grouped made them. A
    process can train one Trainer with DeepSpeed, not several.
    """
    if zero_stage is not None:
        join_ranks(alone=True)
    features = features_of(encoded)
    data, watch = [features[i] for items in batches for i in items], _Watch(setup.device, len(batches[0]))
    with tempfile.TemporaryDirectory() as folder:
        arguments = _arguments(folder, batches, setup, zero_stage)
        trainer = transformers.Trainer(
            model, arguments, train_dataset=data, data_collator=watch.collate, callbacks=[watch.callback()]
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return watch.timing()


def _arguments(
    folder: str, batches: Sequence[Items], setup: Setup, zero_stage: int | None
) -> transformers.TrainingArguments:
    return transformers.TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=setup.micro_batch,
        gradient_accumulation_steps=len(batches[0]) // setup.micro_batch,
        max_steps=len(batches),
        learning_rate=_LEARNING_RATE,
        weight_decay=0.01,
        optim="adamw_torch_fused",
        bf16=setup.bf16 and zero_stage is None,
        use_cpu=setup.device.type == "cpu",
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        dataloader_pin_memory=setup.device.type != "cpu",
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        deepspeed=None if zero_stage is None else _deepspeed(zero_stage, bf16=setup.bf16),
    )


def _deepspeed(stage: int, *, bf16: bool) -> dict[str, Any]:
    """Return the configuration users give to HF Trainer; bf16 by autocast on fp32 weights, as ours."""
    import deepspeed.ops

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # compiled at start otherwise, as in train/zero.py
    auto = ("train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "gradient_clipping")
    return {
        **dict.fromkeys(auto, "auto"),
        "zero_optimization": {"stage": stage},
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "torch_autocast": {"enabled": bf16, "dtype": "bfloat16"},
    }


class _Watch:
    """Notes when a Trainer ends each update, and the length of each row that it collates, in order."""

    def __init__(self, device: torch.device, batch_size: int) -> None:
        """Start with nothing noted."""
        self.device, self.batch_size = device, batch_size
        self.ended: list[float] = []
        self.lengths: list[tuple[int, int]] = []  # of each row: real, padded

    def collate(self, features: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """Return a micro-batch, padded to its longest row."""
        batch = padded(features)
        self.lengths += [(len(feature["input_ids"]), batch["input_ids"].shape[1]) for feature in features]
        return batch

    def callback(self) -> transformers.TrainerCallback:
        """Return what the Trainer calls at the end of each update."""
        callback = transformers.TrainerCallback()
        callback.on_step_end = self._note
        return callback

    def _note(self, *_: Any, **__: Any) -> None:
        settle(self.device)
        self.ended.append(time.perf_counter())

    def timing(self) -> Timing:
        """Return what was noted: an update reaches from the end of the one before to its own."""
        rows = np.array(self.lengths)[: len(self.ended) * self.batch_size]
        tokens, read = rows.reshape(len(self.ended), -1, 2).sum(axis=1)[1:].T.tolist()
        return Timing(tuple(np.diff(self.ended).tolist()), tuple(tokens), tuple(read))


def settle(device: torch.device) -> None:
    """Wait until a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
