#!/usr/bin/env python3
"""Measure `xstilts status` on a root of finished runs, cold and warm, start of Python included; print JSON.

Usage: tools/bench_status.py [--runs 10000] [--queued 1000]. Where SLURM_CONF leads to a cluster, so many held runs are
queued there as well, in a root of their own, and the calls of squeue and sacct are counted; they are cancelled after.
"""

import argparse
import json
import os
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xstilts_hpc.plan import Cell, Plan, PlannedRun, Stage, cells_digest, grid_folder
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.run import ModelSource, Prediction, Request, Run
from xstilts_hpc.run_folder import run_folder
from xstilts_hpc.training import training_on

MODEL = ModelSource(path="model", digest="0")
LANGUAGES = ("en", "ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
CHILDREN = 9
WARM = 3
SHAPE = {"num_hidden_layers": 2, "hidden_size": 8, "intermediate_size": 32, "vocab_size": 100}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000, help="finished runs on disk")
    parser.add_argument("--queued", type=int, default=1_000, help="held runs in the queue, where there is a cluster")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="xs-bench-"))
    try:
        answer: dict[str, Any] = {"bench": "status", "finished": measure_finished(folder / "done", arguments.runs)}
        if "SLURM_CONF" in os.environ:
            answer["queued"] = measure_queued(folder, arguments.queued)
        print(json.dumps(answer))
    finally:
        shutil.rmtree(folder)
    return 0


def measure_finished(root: Path, runs: int) -> dict[str, Any]:
    plan = write_model_and_plan(root, runs)
    for planned in plan.runs.values():
        finish(root, planned)
    return {"runs": len(plan.runs), "goal_s": 3, **cold_and_warm(root, plan.name)}


def measure_queued(folder: Path, runs: int) -> dict[str, Any]:
    """Queue held runs through the real submit, and count what `status` asks of Slurm."""
    from xstilts_hpc.cluster.profile import Profile
    from xstilts_hpc.cluster.slurm_commands import cancel
    from xstilts_hpc.cluster.submit import submit

    root = folder / "queued"
    plan = write_model_and_plan(root, runs)
    profile = Profile.model_validate({"schema": 1, "kind": "slurm", "time_min": 1, "slurm": {"hold": True}})
    submission = submit(plan, root, profile)
    calls = count_calls(folder, ("squeue", "sacct"))
    found = cold_and_warm(root, plan.name)
    cancel(submission.job_ids)
    asked = calls.read_text(encoding="utf-8").split()
    return {"runs": len(plan.runs), "goal_s": 1, **found, "calls_each": len(asked) / (1 + WARM)}


def cold_and_warm(root: Path, grid: str) -> dict[str, float]:
    """Return the seconds of the first call and the median of some more, and the processor time of the latter.

    The processor time is what counts on a machine that does other things too.
    """
    (cold, _), *warm = (seconds(root, grid) for _ in range(1 + WARM))
    wall, used = (sorted(values)[WARM // 2] for values in zip(*warm, strict=True))
    return {"cold_s": cold, "warm_s": wall, "warm_cpu_s": used}


def seconds(root: Path, grid: str) -> tuple[float, float]:
    """Return the wall-clock and the processor seconds of one call."""
    command = [sys.executable, "-m", "xstilts_hpc.cli", "status", grid, "--root", str(root)]
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return round(time.perf_counter() - started, 2), round(used, 2)


def count_calls(folder: Path, names: tuple[str, ...]) -> Path:
    """Put wrappers before real commands that note each call."""
    calls = folder / "calls"
    calls.touch()
    (folder / "bin").mkdir()
    for name in names:
        real = shutil.which(name)
        if real is None:
            sys.exit(f"{name}: no such command; run `tools/devcluster start` and set SLURM_CONF as it says")
        wrapper = folder / "bin" / name
        wrapper.write_text(f'#!/bin/sh\necho {name} >> {calls}\nexec {real} "$@"\n', encoding="utf-8")
        wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    os.environ["PATH"] = f"{folder / 'bin'}:{os.environ['PATH']}"
    return calls


def write_model_and_plan(root: Path, runs: int) -> Plan:
    """Write a plan of families, an intermediate run with nine target runs each, and a model without weights."""
    planned: list[PlannedRun] = []
    cells: list[Cell] = []
    for seed in range(max(1, runs // (CHILDREN + 1))):
        parent = Run(MODEL, training_on("mnli", "0", size=100, data_seed=seed % 10, train_seed=seed), Recipe())
        planned.append(PlannedRun(parent, Stage.INTERMEDIATE, Request((), "data", keep_encoder=True), 100, 200.0))
        for target_seed in range(CHILDREN):
            run = Run(MODEL, training_on("xnli", "0", train_seed=target_seed), Recipe(), parent.id, parent.name)
            prediction = Prediction("xnli", "test", dict.fromkeys(LANGUAGES, "0" * 64))
            asked = Request((prediction,), "data")
            planned.append(PlannedRun(run, Stage.TARGET, asked, 1000, 200.0, {"xnli": (5000, 200.0)}))
            seeds = (seed % 10, seed, target_seed)
            cells.append(Cell("mnli", 100, False, "", "equal_epochs", *seeds, "xnli", run.id))
    planned.sort(key=lambda item: bool(item.run.parent))
    by_id = {item.run.id: item for item in planned}
    plan = Plan("bench", "How fast is status?", "data", by_id, tuple(cells), (), {}, cells_digest(cells))
    plan.save(grid_folder(root, plan.name).plan)
    (root / "model").mkdir()
    (root / "model" / "config.json").write_text(json.dumps(SHAPE), encoding="utf-8")
    return plan


def finish(root: Path, planned: PlannedRun) -> None:
    """Write the files of a finished run, without waiting for the disk at each."""
    folder = run_folder(root, planned.run.id)
    logits = [folder.logits(prediction.task) for prediction in planned.request.predictions]
    encoder = [folder.encoder / name for name in ("config.json", "model.safetensors", "tokenizer.json")]
    products = [*logits, *(encoder if planned.request.keep_encoder else ())]
    for path in products:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"product")
    files = [{"path": str(path.relative_to(folder.path)), "bytes": 7, "sha256": "0" * 64} for path in products]
    done = {"schema": 2, "run": planned.run.id, "files": files, "scores": {}, **planned.request.to_json()}
    times = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:10:00Z"}
    where = {"host": "n1", "node": f"n{hash(planned.run.id) % 20}", "pid": 1, "job": {}, "ranks": 1, "profile": "bench"}
    attempt = {"attempt": 1, "cause": "completed", "error": "", **times, **where, "measured": {"train_s": 500.0}}
    folder.provenance(1).parent.mkdir(parents=True)
    folder.run_json.write_text(json.dumps(planned.run.to_json()), encoding="utf-8")
    folder.request_json.write_text(json.dumps(planned.request.to_json()), encoding="utf-8")
    folder.provenance(1).write_text(json.dumps(attempt), encoding="utf-8")
    folder.done_json.write_text(json.dumps(done), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
