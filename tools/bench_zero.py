"""Measure what ZeRO stages, precision, activation checkpointing, offload and the vocabulary cost of time and memory.

A model of XLM-R's shape with random weights trains on rows of MNLI's lengths on one CPU process: one update to warm up,
then the measured ones; then a checkpoint is saved. Each case runs in a process of its own, since a process's peak
memory never falls. Prints the table of docs/training.md and, last, one JSON object.

Example: python tools/bench_zero.py --layers 2 --hidden 64 --cases 0-fp32-compact 2-bf16-compact
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DS_ACCELERATOR", "cpu")
os.environ.setdefault("DS_LOG_LEVEL", "error")

import numpy as np
from bench_common import PIECES, batches_in_order, rows
from bench_sample import KEPT, kept_pieces
from numpy.typing import NDArray

from xstilts_hpc.data.batch import BatchMaker
from xstilts_hpc.machine import Machine
from xstilts_hpc.model.heads import TaskModel
from xstilts_hpc.model.random_model import random_encoder
from xstilts_hpc.model.vocabulary import compact
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.tasks import task_of
from xstilts_hpc.train.checkpoint import Checkpoints
from xstilts_hpc.train.ranks import join_ranks
from xstilts_hpc.train.update import Updater
from xstilts_hpc.train.zero import start_engine

# A case is a stage, a precision, a vocabulary, and what else saves memory.
_PRECISIONS, _VOCABULARIES = ("fp32", "bf16"), ("compact", "full")
_SAVINGS = {"checkpointing": "activation_checkpointing", "offload": "offload_optimizer"}
CASES = [
    *(f"{stage}-{precision}-{pieces}" for pieces in _VOCABULARIES for precision in _PRECISIONS for stage in range(4)),
    *(f"{stage}-{precision}-compact-checkpointing" for precision in _PRECISIONS for stage in (0, 2)),
    *(f"2-{precision}-compact-offload" for precision in _PRECISIONS),
]
_MIB = 2**20


def main() -> int:
    """Read the arguments; measure each case in a process of its own, and print a line of the table as it ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=CASES, metavar="STAGE-PRECISION-VOCABULARY[-SAVING]")
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--hidden", type=int, default=1_024)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--updates", type=int, default=2)
    parser.add_argument("--kept", type=int, default=KEPT, help="pieces of the compact vocabulary")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measure(arguments.case, arguments)))
        return 0
    for case in arguments.cases:
        _machine(case)  # a mistyped one ends here, not after an hour
    sizes = {name: value for name, value in vars(arguments).items() if name not in ("case", "cases")}
    print(
        "| case | parameters trained | s / update | of it the step | peak memory, GiB | of it before training |"
        " checkpoint, GB |\n|---|---|---|---|---|---|---|"
    )
    found = []
    for case in arguments.cases:
        found.append(_in_a_process(case, sizes))
        print(_line(found[-1]), flush=True)
    print(json.dumps({"bench": "zero", **sizes, "machine": platform.processor() or platform.machine(), "cases": found}))
    return int(any("failed" in case for case in found))


def _in_a_process(case: str, sizes: dict[str, int]) -> dict[str, Any]:
    options = [text for name, value in sizes.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, __file__, *options, "--case", case]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        last = ended.stderr.strip().splitlines()[-1:] or [f"exit code {ended.returncode}"]
        return {"case": case, "failed": last[0]}
    result: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return result


def _line(found: dict[str, Any]) -> str:
    if "failed" in found:
        return f"| {found['case']} | failed: {found['failed']} | | | | | |"
    seconds = f"{found['seconds']:.2f} ({min(found['each']):.2f} to {max(found['each']):.2f})"
    peak, before = (f"{found[name] / 1024:.2f}" for name in ("peak_mib", "before_mib"))
    ends = f"{found['step_seconds']:.2f} | {peak} | {before} | {found['checkpoint_bytes'] / 1e9:.2f}"
    return f"| {found['case']} | {found['parameters'] / 1e6:.0f} M | {seconds} | {ends} |"


def measure(case: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return seconds of an update, tokens, and the peak of resident memory before and at the end of a case."""
    machine, full = _machine(case)
    count = arguments.batch_size * (arguments.updates + 1)
    encoded = rows("mnli", count, seed=0)
    batches, items = BatchMaker("mnli", encoded), batches_in_order(count, arguments.batch_size)
    model = _model(arguments, machine, None if full else kept_pieces(batches, arguments.kept))
    before = _peak_mib()
    engine = start_engine(model, Recipe(), machine, steps=len(items), world=1)
    updater, steps = Updater(engine, join_ranks(alone=True), limit=10**9), _timed_step(engine)
    engine.train()
    each = [_update(updater, batches, some, step) for step, some in enumerate(items)][1:]
    peak = _peak_mib()
    return {
        "case": case,
        "parameters": sum(getattr(weight, "ds_numel", weight.numel()) for weight in model.parameters()),
        "tokens": int(batches.lengths.sum()) // (arguments.updates + 1),
        "seconds": statistics.mean(each),
        "each": [round(seconds, 3) for seconds in each],
        "step_seconds": statistics.mean(steps[1:]),
        "peak_mib": round(peak),
        "before_mib": round(before),
        "checkpoint_bytes": _checkpoint_bytes(engine),
    }


def _timed_step(engine: Any) -> list[float]:
    """Return a list that gets the seconds of every optimizer step of an engine: clipping, AdamW, its own copies."""
    step, seconds = engine.step, []

    def timed() -> None:
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)

    engine.step = timed
    return seconds


def _checkpoint_bytes(engine: Any) -> int:
    """Return the size of a checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        Checkpoints(Path(folder), join_ranks(alone=True), {}, Path(folder)).save(engine, 1)
        return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def _machine(case: str) -> tuple[Machine, bool]:
    """Return the settings of a case, and whether its vocabulary is full."""
    stage, precision, pieces, *savings = case.split("-")
    known = stage in "0123" and precision in _PRECISIONS
    if not known or pieces not in _VOCABULARIES or not set(savings) <= set(_SAVINGS):
        raise SystemExit(f"no case {case!r}; there are: {', '.join(CASES)}")
    machine = Machine(zero_stage=int(stage), precision=precision)
    changes: dict[str, Any] = {_SAVINGS[name]: True for name in savings}
    return replace(machine, **changes), pieces == "full"


def _model(arguments: argparse.Namespace, machine: Machine, pieces: NDArray[np.int64] | None) -> TaskModel:
    join_ranks(alone=True)
    encoder: Any = random_encoder(pieces=PIECES, layers=arguments.layers, hidden=arguments.hidden, seed=0)
    if pieces is not None:
        compact(encoder, pieces)
    if machine.activation_checkpointing:
        encoder.gradient_checkpointing_enable({"use_reentrant": False})
    return TaskModel(encoder, [task_of("mnli")], seed=0)


def _update(updater: Updater, batches: BatchMaker, items: NDArray[np.int64], step: int) -> float:
    started = time.perf_counter()
    updater.update(batches, items, step, seed=0)
    return time.perf_counter() - started


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _MIB


if __name__ == "__main__":
    sys.exit(main())
