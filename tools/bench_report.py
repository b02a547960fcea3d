"""Print as JSON how long Chromium takes to load the report of a grid of 5,000 runs, and how large the file is.

Example: python tools/bench_report.py

The grid is made up: nine intermediate tasks of five sizes and the baseline, all nine target tasks of XTREME in all
their languages, eleven sets of seeds. One run in a hundred failed. Times are from the start of the navigation to the
load event and to the first paint with content, each time in a fresh profile.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xstilts_hpc.files import write_json
from xstilts_hpc.plan import UNUSED_SEED, Cell, Plan, PlannedRun, Stage, cells_digest
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.results.collect import COLUMNS, MissingCell, RunState, Scores
from xstilts_hpc.results.figures.all_figures import figures
from xstilts_hpc.results.means import Means
from xstilts_hpc.results.report import write_report
from xstilts_hpc.results.tables.all_tables import tables
from xstilts_hpc.results.xtreme_layout import ALL_TASKS
from xstilts_hpc.run import ModelSource, Prediction, Request, Run
from xstilts_hpc.run_folder import run_folder
from xstilts_hpc.tasks import task_of
from xstilts_hpc.training import training_on

INTERMEDIATE = ("anli", "mnli", "qqp", "squad_v1", "squad_v2", "hellaswag", "ccg", "cosmosqa", "commonsenseqa")
SIZES = (100, 1_000, 10_000, 31_623, 100_000)
UPDATES = 60
MODEL = ModelSource(path="model", digest="ab" * 32)
TIMES = """() => {
  const [page] = performance.getEntriesByType("navigation");
  const [paint] = performance.getEntriesByName("first-contentful-paint");
  return [page.loadEventEnd / 1000, paint ? paint.startTime / 1000 : null, document.querySelectorAll("*").length];
}"""


def plan_of(seeds: int) -> Plan:
    """Return a plan of a whole study with so many sets of seeds."""
    runs, cells = dict[str, PlannedRun](), list[Cell]()
    for seed in range(seeds):
        for name, size in (("none", 0), *((name, size) for name in INTERMEDIATE for size in SIZES)):
            parent = Run(MODEL, training_on(name, "digest", size=size, data_seed=seed, train_seed=seed), Recipe())
            if size:
                runs[parent.id] = PlannedRun(parent, Stage.INTERMEDIATE, Request(()))
            for target in ALL_TASKS:
                planned = target_run(parent if size else None, target, seed)
                own = (seed, seed, seed) if size else (UNUSED_SEED, UNUSED_SEED, seed)
                cells.append(Cell(name, size, False, "", "equal_epochs" if size else "", *own, target, planned.run.id))
                runs[planned.run.id] = planned
    return Plan("bench", "How fast does a report load?", "data", runs, tuple(cells), (), {}, cells_digest(cells))


def target_run(parent: Run | None, target: str, seed: int) -> PlannedRun:
    """Return the run of a target task after a parent, or after none."""
    training = training_on(target, "digest", train_seed=seed)
    run = Run(MODEL, training, Recipe(), parent.id if parent else "", parent.name if parent else "")
    data = dict.fromkeys(task_of(target).languages, "digest")
    return PlannedRun(run, Stage.TARGET, Request((Prediction(target, "test", data),)))


def scores_of(plan: Plan, root: Path) -> Scores:
    """Make scores for all cells but those of one run in a hundred."""
    failed = set(list(plan.runs)[::100])
    frame = pd.DataFrame(list(score_rows(plan, failed)))[list(COLUMNS)].astype(dict(COLUMNS))
    reason = "run not finished"
    missing = tuple(MissingCell(cell, "", reason) for cell in plan.cells if cell.run in failed)
    states = tuple(RunState(run, *(("missing", reason) if run in failed else ("done",))) for run in plan.runs)
    return Scores(frame, missing, plan, states, ("bench",), root)


def score_rows(plan: Plan, failed: set[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of scores.csv."""
    random = np.random.default_rng(0)
    for cell in plan.cells:
        task = task_of(cell.target)
        for language in task.languages if cell.run not in failed else ():
            for part in task.metric.headline_parts:
                value = 0.6 + 0.02 * np.log10(1 + cell.size) + 0.02 * random.normal()
                more = {"grid": plan.name, "language": language, "split": "test", "metric": part, "headline": True}
                yield {**vars(cell), **more, "value": value, "examples": 1_000, "flags": ""}


def write_runs(scores: Scores) -> None:
    """Write the history of every run, and the records of one or two attempts."""
    for number, state in enumerate(scores.runs):
        folder = run_folder(scores.root, state.run)
        causes = ["preempted"] * (number % 10 == 0) + ["completed" if state.state == "done" else "failed"]
        for attempt, cause in enumerate(causes, start=1):
            error = "Traceback\nRuntimeError: loss is not finite" if cause == "failed" else ""
            write_json(folder.provenance(attempt), {"cause": cause, "error": error})
        lines = (
            {"grad_norm": 1.0, "learning_rate": 1e-5, "loss": 1.1 / step**0.5 + 0.01 * (number % 7), "step": step}
            for step in range(1, UPDATES + 1)
        )
        folder.history.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")


def load(browser: Browser, path: Path) -> tuple[float, float, int]:
    """Return the seconds to the load event and to the first paint with content, and the number of elements."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(path.as_uri())
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
    load_s, paint_s, elements = page.evaluate(TIMES)
    context.close()
    return load_s, paint_s, elements


def measure(path: Path, chromium: str, times: int) -> dict[str, Any]:
    """Return the median and the longest of several loads; the first, which also starts the browser, is left out."""
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=sandbox)
        found = [load(browser, path) for _ in range(times + 1)][1:]
        version = browser.version
        browser.close()
    loads, paints, elements = zip(*found, strict=True)
    return {
        "load_s": round(statistics.median(loads), 3),
        "longest_load_s": round(max(loads), 3),
        "first_paint_s": round(statistics.median(paints), 3),
        "longest_first_paint_s": round(max(paints), 3),
        "elements": elements[0],
        "chromium": version,
    }


def write(path: Path, folder: Path, seeds: int) -> dict[str, Any]:
    """Write the report of the made-up grid, with its runs in a folder; return its size and what it took."""
    scores = scores_of(plan_of(seeds), folder)
    write_runs(scores)
    started = time.perf_counter()
    means = Means(scores, partial=True)
    found, drawn = tables(means), list(figures(means))
    made = time.perf_counter()
    write_report(means, found, drawn, path)
    seconds = {"tables_and_figures_s": round(made - started, 1), "page_s": round(time.perf_counter() - made, 1)}
    return {"runs": len(scores.runs), "cells": len(scores.plan.cells), **seconds}


def main() -> int:
    """Read the arguments, write the report, load it several times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=11, help="sets of seeds: 459 runs each (default 11)")
    parser.add_argument("--times", type=int, default=7, help="loads that are counted (default 7)")
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="the browser (default: chromium in PATH)")
    parser.add_argument("--keep", type=Path, help="where to keep the report")
    parser.add_argument("--load", type=Path, help="load this report instead of a made-up one")
    arguments = parser.parse_args()
    if not arguments.chromium:
        parser.error("no chromium in PATH; tools/setup browser installs it, --chromium names another")
    with tempfile.TemporaryDirectory(prefix="xs-bench-") as folder:
        path = (arguments.load or arguments.keep or Path(folder) / "report.html").resolve()
        made = {} if arguments.load else write(path, Path(folder), arguments.seeds)
        size = {"megabytes": round(path.stat().st_size / 1e6, 2)}
        found = measure(path, arguments.chromium, arguments.times)
    print(json.dumps({"bench": "report", "goal_s": 1, **made, **size, **found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
