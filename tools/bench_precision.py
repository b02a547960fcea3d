"""Measure what the precision of predictions does to scores, with models that have learnt something: the miniature's.

The demonstration's grid runs once for each precision, in a root of its own. Training is fp32 throughout and repeats bit
by bit, so whatever differs comes from the predictions. Prints one JSON object: cells, the largest and the mean absolute
difference of a score in points, the mean difference, and the cells whose score changed.

Example: python tools/bench_precision.py        # three times the minutes of the demonstration
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from importlib import resources
from pathlib import Path

import pandas as pd
from rich.console import Console

from xstilts_hpc.cluster.local import run_local
from xstilts_hpc.cluster.local_progress import LocalProgress
from xstilts_hpc.cluster.profile import load_profile
from xstilts_hpc.expand import expand
from xstilts_hpc.grid import load_grid
from xstilts_hpc.miniature.build import build
from xstilts_hpc.results.collect import collect

PRECISIONS = ("fp32", "autocast", "bf16")
# What tells a score from the others of a grid.
_KEYS = ["run", "target", "language", "split", "metric"]


def main() -> int:
    """Run the grid in every precision, and compare each with fp32, by task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "world"
        build(world, progress=lambda text, done: None, threads=1)
        found = {precision: scores(world, Path(folder) / precision, precision) for precision in PRECISIONS}
    result = {precision: differences(found["fp32"], found[precision]) for precision in PRECISIONS[1:]}
    print(json.dumps({"bench": "precision", "compared_with": "fp32", **result}, indent=1))
    return 0


def scores(world: Path, root: Path, precision: str) -> pd.Series[float]:
    """Run the demonstration's grid with predictions in a precision; return its headline scores in points."""
    shutil.copytree(world, root / "miniature")
    with resources.as_file(resources.files("xstilts_hpc.miniature") / "demo.yaml") as path:
        plan = expand(load_grid(path), root=root)
    profile = load_profile("local").model_copy(update={"prediction_precision": precision})
    if run_local(plan, root, profile, progress=LocalProgress(Console(stderr=True))):
        raise SystemExit(f"some runs failed; their logs are in {root / 'runs'}")
    frame = collect(plan.name, root).frame
    return 100 * frame[frame["headline"]].drop_duplicates(_KEYS).set_index(_KEYS)["value"]


def differences(one: pd.Series[float], other: pd.Series[float]) -> dict[str, dict[str, float]]:
    """Return by task how scores differ, in points."""
    apart = (other - one).groupby("target")
    facts = {
        "scores": apart.count(),
        "changed": apart.agg(lambda values: int((values != 0).sum())),
        "largest": apart.agg(lambda values: values.abs().max()).round(3),
        "mean_absolute": apart.agg(lambda values: values.abs().mean()).round(4),
        "mean": apart.mean().round(4),
    }
    table = pd.DataFrame(facts).to_dict("index")
    return {str(task): {str(name): float(value) for name, value in row.items()} for task, row in table.items()}


if __name__ == "__main__":
    sys.exit(main())
