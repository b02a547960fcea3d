"""Print as JSON how long `xstilts plan` takes on a grid of 10,000 runs, start of Python included.

Example: python tools/bench_plan.py
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GRID = """
schema: 1
name: many
question: how fast is planning?
model: {path: model}
data: data
intermediate: [{task: none}, {task: mnli, size: [10, 20, 40, 80, 160, 320, 640]}]
target: {task: [xnli, panx]}
seeds: {data: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], train: [0, 1, 2, 3, 4, 5, 6, 7], target: [0, 1, 2, 3, 4, 5, 6, 7, 8]}
"""
ROWS = 1_000


def write_world(root: Path) -> None:
    """Write a model folder without weights and data of the right form."""
    (root / "model").mkdir()
    shape = {"num_hidden_layers": 2, "hidden_size": 8, "intermediate_size": 32, "vocab_size": 100}
    (root / "model" / "config.json").write_text(json.dumps(shape))
    for folder in ("MNLI", "xnli", "panx"):
        (root / "data" / folder).mkdir(parents=True)
    for name, columns in (("train", 12), ("dev_matched", 16)):
        rows = ["\t".join(["x"] * (columns - 1) + ["neutral"])] * ROWS
        (root / "data" / "MNLI" / f"{name}.tsv").write_text("\n".join(["index", *rows]))
    for language in ("en", "de", "sw"):
        (root / "data" / "xnli" / f"dev-{language}.tsv").write_text("a\tb\tneutral\n" * ROWS)
        (root / "data" / "panx" / f"dev-{language}.tsv").write_text("a\tO\n\n" * ROWS)
    (root / "data" / "panx" / "train-en.tsv").write_text("a\tO\n\n" * ROWS)
    (root / "grid.yaml").write_text(GRID)


def seconds(root: Path, *options: str) -> tuple[float, str]:
    """Return the wall-clock seconds of one call, and what it printed."""
    command = [sys.executable, "-m", "xstilts_hpc.cli", "plan", str(root / "grid.yaml"), "--root", str(root), *options]
    started = time.perf_counter()
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - started, answer.stdout


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        write_world(Path(folder))
        cold, _ = seconds(Path(folder))
        warm = sorted(seconds(Path(folder))[0] for _ in range(3))
        runs = len(json.loads(seconds(Path(folder), "--json")[1])["runs"])
    print(
        json.dumps({"bench": "plan", "runs": runs, "goal_s": 2, "cold_s": round(cold, 2), "warm_s": round(warm[1], 2)})
    )
