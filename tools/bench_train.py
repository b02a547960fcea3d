#!/usr/bin/env python3
"""Measure training in real tokens a second, beside the peers of tools/bench_common.py and a bare loop of our own model.

Every contender trains in a process of its own, in turn, on the same updates in the same order: typical ones of a large
set that HF Trainer has grouped by length (bench_sample.py), the longest first. `ours` is the project's update through
DeepSpeed at a ZeRO stage; `ours_shuffled` the same on updates of the same rows in random order, as a run has them;
`bare` is the same packed model and compact vocabulary without DeepSpeed; `bare_whole` keeps the whole vocabulary, as
the peers do. A ratio is that of all updates together; its range is that of single updates of the same rows.

    python tools/bench_train.py                                    # Base size, MNLI-like, fp32: some minutes
    python tools/bench_train.py --size large --micro-batch 8 --contenders trainer ours_zero0
    python tools/bench_train.py --kind squad_v1 --bf16
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from bench_common import (
    WIDTHS,
    Items,
    Setup,
    Timing,
    batches_in_order,
    hf_trainer,
    padded_loop,
    peer_of,
    rows,
    settle,
    task_model,
)
from bench_sample import BATCHES, KEPT, grouped, kept_pieces, typical
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from xstilts_hpc.data.batch import BatchMaker
from xstilts_hpc.data.encode import Encoded
from xstilts_hpc.machine import Machine
from xstilts_hpc.model.heads import TaskModel
from xstilts_hpc.model.vocabulary import compact
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.train.memory import tokens_on_cpu
from xstilts_hpc.train.ranks import join_ranks
from xstilts_hpc.train.update import Updater
from xstilts_hpc.train.zero import decay_groups, start_engine

CONTENDERS = (
    *("padded", "trainer", "trainer_zero0", "trainer_zero2", "bare_whole", "bare"),
    *("ours_zero0", "ours_zero2", "ours_shuffled"),
)
# What the issue of speed is judged by: (contender, what it is compared with).
RATIOS = (
    ("ours_zero0", "padded"),
    ("ours_zero0", "trainer"),
    ("ours_zero0", "trainer_zero0"),
    ("ours_zero2", "trainer_zero2"),
    ("ours_zero0", "bare"),
    ("ours_zero2", "bare"),
    ("bare", "bare_whole"),
    ("ours_shuffled", "trainer"),
    ("ours_shuffled", "ours_zero0"),
)


def main() -> None:
    """Print one JSON object: tokens a second by contender, ratios, and the peak memory of each process."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kind", choices=sorted(WIDTHS), default="mnli")
    parser.add_argument("--size", choices=("tiny", "base", "large"), default="base")
    parser.add_argument("--bf16", action="store_true", help="matrix products in bf16, by autocast")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--micro-batch", type=int, default=16, help="examples per micro-batch of the peers")
    parser.add_argument("--updates", type=int, default=3, help="updates that count, one more goes before")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--kept", type=int, default=KEPT, help="pieces of our compact vocabulary")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--one", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments)))
        return
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in arguments.contenders}
    for _ in range(arguments.rounds):
        for name in arguments.contenders:
            found[name].append(in_process(name))
            print(name, found[name][-1], file=sys.stderr, flush=True)
    print(json.dumps(summary(found, arguments), indent=1))


def in_process(name: str) -> dict[str, Any]:
    """Measure one contender in a process of its own; what it printed last is its result."""
    command = [sys.executable, __file__, *sys.argv[1:], "--one", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def summary(found: dict[str, list[dict[str, Any]]], arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what all rounds together give, ratios with their range over single updates, and what was measured."""
    told = ("parameters", "padding", "tokens_per_update", "peak_gb")
    return {
        "settings": {k: v for k, v in vars(arguments).items() if k not in ("one", "contenders")},
        "device": "cuda" if torch.cuda.is_available() else f"cpu, {torch.get_num_threads()} threads",
        "tokens_per_s": {name: round(float(np.divide(*sums(rounds))), 1) for name, rounds in found.items()},
        "seconds_per_update": {
            name: round(statistics.mean(one["seconds_per_update"] for one in rounds), 3)
            for name, rounds in found.items()
        },
        **{what: {name: max(one[what] for one in rounds) for name, rounds in found.items()} for what in told},
        "ratios": ratios(found, RATIOS),
    }


def ratios(found: dict[str, list[dict[str, Any]]], pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return how many times as fast one is as the other, where both were measured."""
    return {f"{one} / {other}": ratio(found[one], found[other]) for one, other in pairs if {one, other} <= set(found)}


def ratio(one: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]]) -> str:
    """Return the ratio of tokens a second: of all updates together, and its range.

    The range is that of single updates, or of whole rounds where the two trained on different rows in each update.
    """
    whole, whole_of_other = (float(np.divide(*sums(rounds))) for rounds in (one, other))
    values = np.divide(rates(one), rates(other))
    if any(mine["tokens"] != theirs["tokens"] for mine, theirs in zip(one, other, strict=True)):
        values = np.divide([np.divide(*sums([each])) for each in one], [np.divide(*sums([each])) for each in other])
    spread = f" ({values.min():.2f} to {values.max():.2f})" if len(values) > 1 else ""
    return f"{whole / whole_of_other:.2f}{spread}"


def rates(rounds: Sequence[dict[str, Any]]) -> NDArray[np.float64]:
    """Return the tokens a second of single updates."""
    return np.concatenate([np.divide(one["tokens"], one["seconds"]) for one in rounds])


def sums(rounds: Sequence[dict[str, Any]]) -> tuple[int, float]:
    """Return real tokens and seconds of all updates that count."""
    return sum(sum(one["tokens"]) for one in rounds), sum(sum(one["seconds"]) for one in rounds)


def measure(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train one contender in this process."""
    encoded = rows(arguments.kind, BATCHES * arguments.batch_size, seed=0)
    batches, shuffled = (updates_of(encoded, arguments, by_length=by_length) for by_length in (True, False))
    model = task_model(arguments.kind, arguments.size)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    setup = Setup(device, arguments.bf16, arguments.micro_batch)

    def ours_at(zero_stage: int, batches: Sequence[Items]) -> Timing:
        return ours(compacted(model, encoded, arguments.kept), encoded, batches, setup, zero_stage=zero_stage)

    def trainer(zero_stage: int | None) -> Timing:
        if zero_stage is not None:
            join_ranks(alone=True)
        return hf_trainer(peer_of(model, arguments.kind), encoded, batches, setup=setup, zero_stage=zero_stage)

    def padded() -> Timing:
        return padded_loop(peer_of(model, arguments.kind), encoded, batches, width=WIDTHS[arguments.kind], setup=setup)

    ways: dict[str, Callable[[], Timing]] = {
        "padded": padded,
        "trainer": lambda: trainer(None),
        "trainer_zero0": lambda: trainer(0),
        "trainer_zero2": lambda: trainer(2),
        "bare_whole": lambda: bare(model, encoded, batches, setup),
        "bare": lambda: bare(compacted(model, encoded, arguments.kept), encoded, batches, setup),
        "ours_zero0": lambda: ours_at(0, batches),
        "ours_zero2": lambda: ours_at(2, batches),
        "ours_shuffled": lambda: ours_at(0, shuffled),
    }
    timing = ways[name]()
    return {
        "tokens_per_s": round(timing.tokens_per_s, 2),
        "seconds_per_update": round(timing.seconds_per_update, 4),
        "peak_gb": round(peak_gb(device), 2),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "padding": round(sum(timing.read) / sum(timing.tokens), 3),
        "tokens_per_update": round(statistics.mean(timing.tokens)),
        **asdict(timing),
    }


def updates_of(encoded: Encoded, arguments: argparse.Namespace, *, by_length: bool) -> list[Items]:
    """Return typical updates of a set, the longest first, and before them the shortest, which is not counted.

    They are those of HF Trainer's grouping `by_length`, or of the set as it is, whose order is random.
    """
    lengths, size = encoded.ragged("input_ids").lengths(), arguments.batch_size
    every = grouped(lengths, size) if by_length else batches_in_order(encoded.items, size)
    chosen = typical(every, lengths, arguments.updates)
    return [chosen[-1], *chosen]


def peak_gb(device: torch.device) -> float:
    """Return the most memory that this process had: of tensors on a GPU, else all of it."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def compacted(model: TaskModel, encoded: Encoded, kept: int = KEPT) -> TaskModel:
    """Keep as many rows of the embedding as a large training set reads."""
    compact(model.encoder, kept_pieces(BatchMaker("", encoded), kept))
    return model


def micro_batch_tokens(model: TaskModel, setup: Setup) -> int:
    """Return the most tokens of a micro-batch: on a CPU as a run takes them, all of an update on a GPU."""
    return tokens_on_cpu(model.encoder.config) if setup.device.type == "cpu" else 2**20


def ours(model: TaskModel, encoded: Encoded, batches: Sequence[Items], setup: Setup, *, zero_stage: int) -> Timing:
    """Train as a run does."""
    recipe = Recipe(batch_size=len(batches[0]))
    machine = Machine(zero_stage=zero_stage, precision="bf16" if setup.bf16 else "fp32")
    ranks, maker = join_ranks(alone=True), BatchMaker(next(iter(model.heads)), encoded)
    engine = start_engine(model.to(setup.device), recipe, machine, steps=len(batches), world=1)
    engine.train()
    updater = Updater(engine, ranks, micro_batch_tokens(model, setup))
    return timed(maker, batches, setup, lambda items, step: updater.update(maker, items, step, 0))


def bare(model: TaskModel, encoded: Encoded, batches: Sequence[Items], setup: Setup) -> Timing:
    """Train the same packed model with nothing but PyTorch."""
    maker = BatchMaker(next(iter(model.heads)), encoded)
    model.to(setup.device).train()
    limit = micro_batch_tokens(model, setup)
    optimizer = torch.optim.AdamW(decay_groups(model, 0.01), lr=1e-5, fused=True)

    def update(items: Items, step: int) -> None:
        tokens = maker.lengths[items]
        order = items[np.argsort(-tokens, kind="stable")]
        for part in np.array_split(order, -(-int(tokens.sum()) // limit)):
            batch = maker.make(part).to(setup.device)
            with torch.autocast(setup.device.type, torch.bfloat16, enabled=setup.bf16):
                logits = model(batch).float()
            loss = functional.cross_entropy(logits, batch.gold, reduction="sum") / maker.gold_count(items)
            loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return timed(maker, batches, setup, update)


def timed(maker: BatchMaker, batches: Sequence[Items], setup: Setup, update: Callable[[Items, int], Any]) -> Timing:
    """Return the time of every update but the first."""
    seconds = []
    for step, items in enumerate(batches):
        started = time.perf_counter()
        update(items, step)
        settle(setup.device)
        seconds.append(time.perf_counter() - started)
    tokens = [int(maker.lengths[items].sum()) for items in batches]
    return Timing(tuple(seconds[1:]), tuple(tokens[1:]), tuple(tokens[1:]))


if __name__ == "__main__":
    main()
