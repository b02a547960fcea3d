"""Roots with runs that left things behind, and what a cleaning says of them."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from tests.cluster.trivial_runs import run_of
from xstilts_hpc.cluster.clean import DAY_S, Item, What
from xstilts_hpc.files import write_json
from xstilts_hpc.plan import Plan, grid_folder
from xstilts_hpc.run_folder import run_folder


def planned(root: Path, plan: Plan) -> Plan:
    """Write a plan and prepare its runs."""
    plan.save(grid_folder(root, plan.name).plan)
    for item in plan.runs.values():
        run_folder(root, item.run.id).prepare(item.run, item.request)
    return plan


def write(path: Path, text: str = "12345") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def finish(root: Path, plan: Plan, *tasks: str) -> None:
    """Do runs: an encoder where it is asked for, and what a run that is cut off at its very end leaves behind."""
    for task in tasks:
        folder = run_folder(root, run_of(plan, task))
        files = []
        if folder.request().keep_encoder:
            files = [write(folder.encoder / "model.safetensors"), write(folder.encoder / "config.json", "{}")]
        folder.commit({"xnli": {"en": {"accuracy": 0.5}}}, files, folder.request())
        write(folder.checkpoints / "a" / "shard.pt", "1234567890")
        write(folder.history, "{}\n")
        write_json(folder.provenance(1), {"attempt": 1, "start": "2026", "end": "2026", "cause": "completed"})


def old(path: Path, days: float = 2) -> Path:
    """Make a file or folder look untouched for some days."""
    when = time.time() - days * DAY_S
    inside = sorted(path.rglob("*"), reverse=True) if path.is_dir() else []
    for each in (*inside, path):
        os.utime(each, (when, when))
    return path


def going(items: Iterable[Item], what: What | None = None) -> list[Path]:
    return [item.path for item in items if not item.stays and what in (None, item.what)]


def staying(items: Iterable[Item], what: What) -> list[str]:
    return [item.why for item in items if item.stays and item.what is what]
