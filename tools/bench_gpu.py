#!/usr/bin/env python3
"""Measure training and evaluation on a GPU beside their peers and a roofline measured in the same run.

First the attention of packed rows is checked on the device: against the same rows on the CPU, and its logits against
padded ones; where they differ, nothing is measured and the exit code is 1. Then, for lengths like those of MNLI, SQuAD
and PAN-X: real tokens a second, model FLOP utilisation (FLOPs / seconds / measured peak; formula in bench_roofline.py),
share of the roofline, peak memory; ours at batch sizes 16, 32 and 64, the peers (a) padded to the maximum, (b) HF
Trainer, (c) HF Trainer with DeepSpeed at our stage, all on typical batches of a large set grouped by length
(bench_sample.py); and several runs side by side. The roofline is that of our work, with the compact vocabulary, for
the peers too. Ratios are given with their range over single updates, or over rounds of predictions. Every part runs in
a process of its own. The figures of a dry run say nothing.

    python tools/bench_gpu.py > gpu.json
    python tools/bench_gpu.py --kinds squad_v1 --parts check train      # a part of it
    python tools/bench_gpu.py --dry-run                                 # the same on a CPU with a tiny model
    python tools/bench_gpu.py --quantiles                               # the real lengths of bench_lengths.py
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import bench_predict
import bench_train
import numpy as np
import torch
from bench_attention import check_attention, check_logits, contenders, english
from bench_common import SHARED_DATA, SIZES, WIDTHS, Items, Setup, Timing, rows, task_model
from bench_lengths import quantiles
from bench_predict_peers import Contender, LanguageSet
from bench_process import in_process
from bench_roofline import Peak, bytes_of, flops_of, measure_peak, parameters_of, roofline_s
from bench_sample import BATCHES, KEPT, kept_pieces, taken

from xstilts_hpc.data.batch import BatchMaker
from xstilts_hpc.tasks import task_of

NO_DEVICE = 4
BATCH_SIZES, BATCH_SIZE, TOGETHER = (16, 32, 64), 32, (2, 4)
PEERS = ("padded", "trainer", "trainer_zero0")
PARTS = ("check", "train", "predict", "together")
NEEDED = (
    "bench_gpu: no CUDA device here. It needs one GPU with 40 GB or more for XLM-R Large (80 GB for 4 runs side by "
    "side) and a CUDA build of torch; `--dry-run` does everything on the CPU with a tiny model."
)


def main() -> int:
    """Print one JSON object; without a GPU say what is needed and return 4."""
    arguments = parser().parse_args()
    if arguments.quantiles:
        for kind in WIDTHS:
            print(kind, quantiles(rows(kind, 8_000, 0).ragged("input_ids").lengths()))
        return 0
    if not arguments.dry_run and not torch.cuda.is_available():
        print(NEEDED, file=sys.stderr)
        return NO_DEVICE
    # The server of the processes has the imports done; it must not touch the device, which its forks could not use.
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    multiprocessing.get_context("forkserver").set_forkserver_preload(["__main__"])
    print(json.dumps(everything(arguments), indent=1))
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--size", choices=sorted(SIZES), default="large")
    made.add_argument("--kinds", nargs="+", choices=sorted(WIDTHS), default=sorted(WIDTHS))
    made.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    made.add_argument("--updates", type=int, default=12, help="updates of each training, one more goes before")
    made.add_argument("--examples", type=int, default=2_048, help="examples of each evaluation")
    made.add_argument("--fp32", action="store_true", help="matrix products in fp32 instead of bf16 by autocast")
    made.add_argument("--dry-run", action="store_true", help="on the CPU, with a tiny model and a few examples")
    made.add_argument("--quantiles", action="store_true", help="print the lengths of the small real data, and end")
    return made


def everything(arguments: argparse.Namespace) -> dict[str, Any]:
    """Do every part asked for; what the trainings and predictions reach is said relative to the measured peak."""
    if arguments.dry_run:
        arguments.size, arguments.updates, arguments.examples = "tiny", 2, 16
    facts = in_process(peak_here, arguments)
    peak, report = Peak(**facts.pop("peak")), {"bench": "gpu", **settings(arguments), **facts}
    report["peak"] = asdict(peak)
    if "check" in arguments.parts:
        report["check"] = in_process(check, arguments)
    for kind in arguments.kinds:
        report[kind] = dict(parts_of(arguments, kind, peak))
    return report


def settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what decides the figures, so that they can be repeated."""
    named = {name: getattr(arguments, name) for name in ("size", "updates", "examples", "dry_run")}
    precision = "fp32" if arguments.fp32 else "bf16 by autocast"
    return {**named, "precision": precision, "rows": "real" if SHARED_DATA.is_dir() else "of recorded lengths"}


def parts_of(arguments: argparse.Namespace, kind: str, peak: Peak) -> Iterator[tuple[str, Any]]:
    """Yield name and result of each part of a kind."""
    bf16 = not arguments.fp32
    if "train" in arguments.parts:
        trainings = [("ours_zero0", size) for size in batch_sizes(arguments)]
        measured = {}
        for name, size in [*trainings, *((peer, batch_sizes(arguments)[1]) for peer in PEERS)]:
            found = in_process(train, arguments, kind, name, size)
            yield f"train_{name}_{size}", judged(found, peak, bf16=bf16)
            if size == batch_sizes(arguments)[1]:
                measured[name] = [found["timing"]]
        yield "train_ratios", bench_train.ratios(measured, bench_train.RATIOS)
    if "predict" in arguments.parts:
        predicted = in_process(predict, arguments, kind)
        for name, found in predicted.items():
            yield f"predict_{name}", judged(found, peak, bf16="fp32" not in name)
        pairs = bench_predict.chosen(bench_predict.RATIOS, predicted)
        each = {name: found["each"] for name, found in predicted.items()}
        yield (
            "predict_ratios",
            {f"{one} / {other}": bench_predict.ratio(each[other], each[one]) for one, other in pairs},
        )
    if "together" in arguments.parts:
        for number in TOGETHER[: 1 if arguments.dry_run else None]:
            yield f"train_{number}_together", together(arguments, kind, number, peak)


def batch_sizes(arguments: argparse.Namespace) -> tuple[int, ...]:
    """Return the batch sizes of a training; the second is that of the peers."""
    return (2, 4) if arguments.dry_run else BATCH_SIZES


def judged(found: dict[str, Any], peak: Peak, *, bf16: bool) -> dict[str, Any]:
    """Return a result with its share of the matrix peak and of the roofline."""
    flops, moved, seconds = (found[name] for name in ("flops", "bytes", "seconds"))
    best = peak.bf16 if bf16 else peak.fp32
    shares = {
        "flop_utilisation": round(flops / seconds / best, 4),
        "of_roofline": round(roofline_s(flops, moved, peak, bf16=bf16) / seconds, 4),
    }
    told = ("tokens_per_s", "seconds_per_update", "padding", "peak_gb", "working_gb")
    return {**{name: found[name] for name in told if name in found}, **shares}


def together(arguments: argparse.Namespace, kind: str, number: int, peak: Peak) -> dict[str, Any]:
    """Train several runs side by side on one device; their tokens in sum, by the time from first start to last end."""
    meeting = multiprocessing.get_context("forkserver").Barrier(number)
    with ThreadPoolExecutor(number) as threads:
        found = list(threads.map(lambda _: in_process(beside, arguments, kind, meeting), range(number)))
    started, ended = ([one[name] for one in found] for name in ("started", "ended"))
    whole, common = max(ended) - min(started), min(ended) - max(started)
    tokens, flops, moved = (sum(one[name] for one in found) for name in ("tokens", "flops", "bytes"))
    sums = {
        **{"tokens_per_s": round(tokens / whole, 1), "seconds": whole, "flops": flops, "bytes": moved},
        "peak_gb": round(sum(one["peak_gb"] for one in found), 2),
    }
    return {
        "tokens_per_s_of_each": [one["tokens_per_s"] for one in found],
        "at_once": round(max(0.0, common / whole), 3),
        **judged(sums, peak, bf16=not arguments.fp32),
    }


def device_of(arguments: argparse.Namespace) -> torch.device:
    """Return where everything runs."""
    return torch.device("cpu" if arguments.dry_run else "cuda")


def peak_here(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the device is, and what it can do at most."""
    device = device_of(arguments)
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"
    tokens, copied_mb = (16_384, 1_024) if device.type == "cuda" else (256, 16)
    peak = measure_peak(arguments.size, device, tokens=tokens, copied_mb=copied_mb)
    return {"device": name, "torch": torch.__version__, "peak": asdict(peak)}


def check(arguments: argparse.Namespace) -> dict[str, Any]:
    """Compare packed rows with what they stand for."""
    device = device_of(arguments)
    logits = check_logits(arguments.kinds, arguments.size, device, min(64, arguments.examples))
    return {**check_attention(device), **logits}


def train(arguments: argparse.Namespace, kind: str, name: str, batch_size: int) -> dict[str, Any]:
    """Train ours or a peer as bench_train.py does."""
    chosen = chosen_for(arguments, kind, batch_size)
    found = bench_train.measure(name, chosen)
    timing = {part: found[part] for part in ("seconds", "tokens", "read")}
    return {**found, "timing": timing, **counted(chosen, Timing(**timing))}


def chosen_for(arguments: argparse.Namespace, kind: str, batch_size: int) -> argparse.Namespace:
    """Return the options of bench_train.py."""
    more = {"kind": kind, "batch_size": batch_size, "micro_batch": batch_size, "bf16": not arguments.fp32}
    return argparse.Namespace(**{**vars(arguments), **more, "kept": KEPT})


def beside(arguments: argparse.Namespace, kind: str, meeting: Barrier) -> dict[str, Any]:
    """Train ours from its second update on at the same time as others."""
    size, device = batch_sizes(arguments)[1], device_of(arguments)
    chosen, encoded = chosen_for(arguments, kind, size), rows(kind, BATCHES * size, 0)
    model = bench_train.compacted(task_model(kind, arguments.size), encoded)
    batches = Together(bench_train.updates_of(encoded, chosen, by_length=True))
    batches.meeting = meeting
    timing = bench_train.ours(model, encoded, batches, Setup(device, not arguments.fp32, size), zero_stage=0)
    return {**counted(chosen, timing), "peak_gb": bench_train.peak_gb(device)}


class Together(list[Items]):
    """Batches whose second one is handed out only when all who share the `meeting` ask for theirs."""

    meeting: Barrier

    def __iter__(self) -> Iterator[Items]:
        """Yield the batches."""
        for number, items in enumerate(super().__iter__()):
            if number == 1:
                self.meeting.wait()
            yield items


def counted(chosen: argparse.Namespace, timing: Timing) -> dict[str, Any]:
    """Return what the updates that count took, and when they ended."""
    ended, encoded = time.time(), rows(chosen.kind, BATCHES * chosen.batch_size, 0)
    read = np.concatenate(bench_train.updates_of(encoded, chosen, by_length=True)[1:])
    parameters = parameters_of(chosen.size, pieces=len(kept_pieces(BatchMaker("", encoded))))
    moved = bytes_of(parameters, "autocast" if chosen.bf16 else "fp32", training=True)
    return {
        "tokens_per_s": round(timing.tokens_per_s, 1),
        "seconds": sum(timing.seconds),
        "tokens": sum(timing.tokens),
        "started": ended - sum(timing.seconds),
        "ended": ended,
        "flops": flops_of(taken(encoded, read), task_of(chosen.kind), chosen.size, training=True),
        "bytes": len(timing.seconds) * moved,
    }


def predict(arguments: argparse.Namespace, kind: str) -> dict[str, Any]:
    """Predict in every way that bench_predict.py compares, in turn; what memory it takes beyond that of the weights."""
    language, device = english(kind, arguments.examples), device_of(arguments)
    ways = contenders(kind, arguments.size, device)
    working = {name: working_gb(way, language, device) for name, way in ways.items()}
    rounds = [{name: way(language)[0] for name, way in ways.items()} for _ in range(3)]
    flops = flops_of(language.encoded, task_of(kind), arguments.size, training=False)
    found = {}
    for name in ways:
        each = [one[name] for one in rounds]
        seconds = statistics.median(each)
        weights = parameters_of(arguments.size, pieces=0)
        found[name] = {
            "tokens_per_s": round(language.tokens / seconds, 1),
            "working_gb": working[name],
            "seconds": seconds,
            "each": each,
            "flops": flops,
            "bytes": bytes_of(weights, name.rpartition("_")[2], training=False),
        }
    return found


def working_gb(way: Contender, language: LanguageSet, device: torch.device) -> float:
    """Return the memory of a GPU that a first prediction takes beyond what is there."""
    if device.type != "cuda":
        way(language)
        return 0.0
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    way(language)
    return round((torch.cuda.max_memory_allocated() - before) / 2**30, 2)


if __name__ == "__main__":
    sys.exit(main())
