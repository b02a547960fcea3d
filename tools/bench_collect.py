"""Print as JSON how long it takes to score the logits of one full XTREME evaluation on one core.

Ours is reading the logits files and scoring them. With --xtreme CHECKOUT (and --python, one that has seqeval 0.0.12)
the official evaluate.py scores the predictions and labels exported from the same logits; its start (imports, no task)
is measured apart and taken off. The numbers of both must agree.

Example: python tools/bench_collect.py --fraction 0.02 --xtreme ../xtreme --python ../xtreme/venv/bin/python

The logits are those of bench_logits.py: made up, with the test sets' real sizes.

Before that a whole grid of --runs runs is collected on all cores: see bench_collect_grid.py.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bench_collect_grid
import numpy as np
from bench_grid_root import Shape
from bench_logits import make, sizes_of

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xstilts_hpc.logits import Header, write_logits
from xstilts_hpc.logits_file import read_logits
from xstilts_hpc.results.xtreme_layout import ALL_TASKS, GROUPS, XtremeScores, write_language
from xstilts_hpc.scoring import score
from xstilts_hpc.tasks import task_of


def write_all(folder: Path, fraction: float, *, layout: bool) -> None:
    """Write the logits file of every task, and with `layout` the same in the official layout."""
    for seed, name in enumerate(ALL_TASKS):
        task, random = task_of(name), np.random.default_rng(seed)
        logits = {code: make(task, code, number, random) for code, number in sizes_of(task, fraction).items()}
        header = Header("bench", name, str(task.kind), "test", "made up", "bench", "today")
        write_logits(_logits(folder, name), header, {code: (value, "") for code, value in logits.items()})
        for code, value in logits.items() if layout else ():
            write_language((folder / "predictions", folder / "labels"), task, code, value)


def _logits(folder: Path, name: str) -> Path:
    return folder / "logits" / f"{name}.h5"


def score_ours(folder: Path, name: str) -> tuple[float, dict[str, dict[str, float]]]:
    """Return the seconds that reading and scoring one task take, and the scores: part, language, number."""
    task, parts = task_of(name), dict[str, dict[str, float]]()
    started = time.perf_counter()
    for code in task.languages:
        for part, value in score(task, read_logits(_logits(folder, name), [code])[code], code).items():
            parts.setdefault(part, {})[code] = value
    return time.perf_counter() - started, parts


def score_officially(folder: Path, names: tuple[str, ...], checkout: Path, python: str) -> tuple[float, dict[str, Any]]:
    """Return the seconds that evaluate.py takes on some tasks, start of Python included, and what it wrote."""
    with tempfile.TemporaryDirectory(dir=folder) as part:
        sides = {"prediction": Path(part, "predictions"), "label": Path(part, "labels")}
        options = [f"--output_file={part}/scores.json", *(f"--{side}_folder={path}" for side, path in sides.items())]
        for path in sides.values():
            path.mkdir()
            for name in names:
                (path / name).symlink_to(folder / path.name / name)
        started = time.perf_counter()
        subprocess.run([python, "evaluate.py", *options], cwd=checkout, check=True, capture_output=True)
        return time.perf_counter() - started, json.loads(Path(part, "scores.json").read_text("utf-8"))


def agree(ours: Mapping[str, Any], official: Mapping[str, Any]) -> bool:
    """Say whether every number by language of the official script is ours too, to 1e-9."""
    expected = XtremeScores(ours).official()
    parts = [(task, part) for task in ALL_TASKS for part in official[task] if not part.startswith("avg_")]
    return all(
        abs(value - expected[task][part][code]) < 1e-9
        for task, part in parts
        for code, value in official[task][part].items()
    )


def measure(folder: Path, xtreme: Path | None, python: str) -> dict[str, Any]:
    """Return seconds and ratios by group of tasks."""
    ours = {name: score_ours(folder, name) for name in ALL_TASKS}
    report: dict[str, Any] = {"ours_s": _by_group({name: seconds for name, (seconds, _) in ours.items()})}
    if not xtreme:
        return {**report, "official_s": "not measured: give --xtreme CHECKOUT"}
    start_s, _ = score_officially(folder, (), xtreme, python)
    seconds, found = {}, dict[str, Any]()
    for name in ALL_TASKS:
        taken, scores = score_officially(folder, (name,), xtreme, python)
        seconds[name], found = taken - start_s, {**found, **scores}
    report |= {"official_start_s": round(start_s, 2), "official_s": _by_group(seconds)}
    # What the official script does within the noise of its start has no ratio.
    timed = {group: taken for group, taken in report["official_s"].items() if taken > report["official_start_s"]}
    ratios = {group: round(taken / report["ours_s"][group], 1) for group, taken in timed.items()}
    return {**report, "ratio": ratios, "same_scores": agree({name: parts for name, (_, parts) in ours.items()}, found)}


def _by_group(seconds: Mapping[str, float]) -> dict[str, float]:
    groups = {
        **{name: (name,) for name in ALL_TASKS},
        **GROUPS,
        "tagging_and_qa": (*GROUPS["tagging"], *GROUPS["qa"]),
        "all": ALL_TASKS,
    }
    return {group: round(sum(seconds[name] for name in names), 3) for group, names in groups.items()}


def main() -> int:
    """Read the arguments, measure a grid on all cores, then an evaluation on one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fraction", type=float, default=1.0, help="of the examples of every language; 0 = no such")
    parser.add_argument("--xtreme", type=Path, help="a checkout of google-research/xtreme")
    parser.add_argument("--python", default=sys.executable, help="a Python that has seqeval 0.0.12")
    parser.add_argument("--runs", type=int, default=200, help="of the grid; 0 = no grid")
    parser.add_argument("--languages", type=int, default=40, help="of each run, at most")
    parser.add_argument("--examples", type=int, default=100, help="of each language of the grid")
    parser.add_argument("--tasks", default="panx", help="of the grid, with commas between them")
    arguments = parser.parse_args()
    if arguments.runs:
        tasks = tuple(arguments.tasks.split(","))
        shape = Shape(arguments.runs, arguments.languages, arguments.examples, tasks)
        print(json.dumps(bench_collect_grid.main(shape)))
    if arguments.fraction:
        print(json.dumps(evaluation(arguments.fraction, arguments.xtreme, arguments.python)))
    return 0


def evaluation(fraction: float, xtreme: Path | None, python: str) -> dict[str, Any]:
    """Make the files of one evaluation, and measure on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.environ["OMP_NUM_THREADS"] = "1"
    folder = Path(tempfile.mkdtemp(prefix="xs-bench-"))
    try:
        write_all(folder, fraction, layout=xtreme is not None)
        report = measure(folder, xtreme, python)
    finally:
        shutil.rmtree(folder)
    return {"bench": "collect", "fraction": fraction, "cores": 1, **report}


if __name__ == "__main__":
    sys.exit(main())
