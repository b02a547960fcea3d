"""A root with a plan and runs, as the program writes it, and the commands that read its records."""

import json
import os
import socket
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from tests.tiny import grid_text, write_tiny_data
from xstilts_hpc.cli import app
from xstilts_hpc.errors import XstiltsError
from xstilts_hpc.expand import expand
from xstilts_hpc.files import write_json
from xstilts_hpc.grid import load_grid
from xstilts_hpc.plan import grid_folder
from xstilts_hpc.run_folder import run_folder

# A record of an attempt at a run in Slurm with everything in it that is read again.
ATTEMPT = {
    "attempt": 1,
    "start": "2026-01-01T00:00:00Z",
    "end": "2026-01-01T01:00:00Z",
    "cause": "node_failed",
    "error": "Traceback\nOSError: no",
    "host": socket.gethostname(),
    "node": "n1",
    "pid": 2**22 + 1,
    "job": {"SLURM_JOB_ID": "17", "SLURM_RESTART_COUNT": "1", "SLURM_JOB_NODELIST": "n1"},
    "ranks": 2,
    "profile": "local",
    "had": [0, 1],
    "from_step": 0,
    "to_step": 70,
    "measured": {"train_s": 60.5, "predict_s": 3},
    "subsets": {"mnli": {"examples": 2, "ids_sha256": "e3b0"}},
    "checkpoints_passed_over": ["b: its step is missing"],
    "facts": {"signal": "SIGUSR1", "state": "NODE_FAIL", "time_left_s": 7},
    "decided": "requeued: node failed, 1 of 3",
    "again": True,
}

_DAY_S = 86_400
_CONFIG = {
    "model_type": "xlm-roberta",
    **dict.fromkeys(("hidden_size", "intermediate_size", "vocab_size"), 16),
    **dict.fromkeys(("num_hidden_layers", "num_attention_heads"), 2),
    "max_position_embeddings": 130,
}


@dataclass(frozen=True)
class World:
    """A root, the records in it that are damaged, and the command lines that read them."""

    root: Path
    records: Sequence[Path]
    commands: Sequence[Sequence[str]]


def make_world(root: Path) -> World:
    """Plan a tiny grid of which one run is done, one was begun and one waits for its parent."""
    write_tiny_data(root / "data")
    model = root / "models" / "tiny" / "config.json"
    model.parent.mkdir(parents=True)
    model.write_text(json.dumps(_CONFIG), encoding="utf-8")
    grid = root / "tiny.yaml"
    grid.write_text(grid_text(target="{task: xnli, languages: all}"), encoding="utf-8")
    plan = expand(load_grid(grid), root=root)
    plan.save(grid_folder(root, plan.name).plan)
    folders = [run_folder(root, run_id) for run_id in plan.runs]
    for folder, planned in zip(folders, plan.runs.values(), strict=True):
        folder.prepare(planned.run, planned.request)
        write_json(folder.provenance(1), ATTEMPT)
        when = time.time() + (_DAY_S if folder == folders[1] else -_DAY_S)  # records of the past are remembered
        os.utime(folder.provenance(1).parent, (when, when))
    done, begun = folders[:2]
    product = done.logits("xnli")
    product.parent.mkdir()
    product.write_bytes(b"123")
    done.commit({}, [product], done.request())
    options, run = ["--root", str(root)], begun.path.name
    commands = [
        *([verb, run, *options] for verb in ("why", "logs")),
        ["status", plan.name, *options],
        ["submit", str(grid), "--profile", "local", "--dry-run", *options],
    ]
    for command in commands:
        ask(command)  # which fills the caches
    records = [begun.provenance(1), done.done_json, begun.request_json, begun.run_json]
    others = [grid_folder(root, plan.name).plan, *sorted((root / "cache").glob("*.json"))]
    return World(root, [*records, *others], commands)


def ask(command: Sequence[str]) -> str:
    """Give a command; return what it prints, or its error."""
    printed = StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        try:
            app(list(command), standalone_mode=False)
        except XstiltsError as error:
            printed.write(f"error: {error}")
    return printed.getvalue()
