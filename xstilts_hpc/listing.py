"""What `plan`, `tasks` and `submit` print."""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from xstilts_hpc.byte_sizes import in_bytes
from xstilts_hpc.cluster.arrays import Array, arrays_of
from xstilts_hpc.cluster.packing import Shape
from xstilts_hpc.cluster.profile import Profile
from xstilts_hpc.cluster.submission import Submission
from xstilts_hpc.errors import GridError
from xstilts_hpc.files import Memory
from xstilts_hpc.forecast import ASSUMED_MODEL, Forecast, forecast, is_assumed, minutes_of
from xstilts_hpc.plan import Plan, PlannedRun, by_stage
from xstilts_hpc.tasks import PLUGINS, TASKS, named_task, task_of
from xstilts_hpc.tasks.base import Role, Split, Task, training_split_of
from xstilts_hpc.tasks.folder import DataFolder

# Unreadable rows that `plan` prints; --json has all of them.
_LISTED = 10
# Arrays as they are where nothing is known of the cluster.
_ANY_CLUSTER = Shape()


def task_rows(data: Path) -> list[dict[str, Any]]:
    """Return what there is to say of each task, with the splits found in a data folder."""
    folder = DataFolder(data, Memory(Path())) if data.is_dir() else None
    return [_task_row(task, data, folder) for task in (*TASKS.values(), *usable_plugins()[0])]


def usable_plugins() -> tuple[list[Task], list[str]]:
    """Return the tasks of other packages, and what is wrong with those that cannot be used."""
    tasks, problems = list[Task](), list[str]()
    for name in PLUGINS.names:
        try:
            tasks.append(named_task(name))
        except GridError as error:
            problems.append(str(error))
    return tasks, problems


def _task_row(task: Task, data: Path, folder: DataFolder | None) -> dict[str, Any]:
    found = {str(split): _num_languages(task, split, folder) for split in Split} if folder else {}
    return {
        "task": task.name,
        "kind": str(task.kind),
        "role": ", ".join(sorted(task.roles)),
        "languages": len(task.languages),
        "metric": task.metric.name,
        "trained_on": task.training_set or "nothing",
        "data": {split: number for split, number in found.items() if number},
        "origin": task.origin,
        "get": task.how_to_get(data),
        "licence": task.licence,
        "package": PLUGINS.described(task.name),
    }


def _num_languages(task: Task, split: Split, folder: DataFolder) -> int:
    return sum(folder.has(task, split, language) for language in task.languages)


def tasks_without_files(plan: Plan, data: Path) -> list[str]:
    """Return the tasks of which a data folder lacks files that the runs of a plan read."""
    folder = DataFolder(data, Memory(Path())) if data.is_dir() else None
    read = dict.fromkeys(place for planned in plan.runs.values() for place in _places(planned))
    lacking = (task for task, split, code in read if not folder or not folder.has(task_of(task), split, code))
    return list(dict.fromkeys(lacking))


def _places(planned: PlannedRun) -> Iterator[tuple[str, Split, str]]:
    """Yield task, split and language of what a run reads."""
    for part in planned.run.training.task_parts if planned.run.training else ():
        yield from ((part.task, training_split_of(task_of(part.task), code), code) for code in part.languages)
    for asked in planned.request.predictions:
        yield from ((asked.task, Split(asked.split), code) for code in asked.data)


def task_table(rows: Sequence[dict[str, Any]]) -> Group:
    """Return the tasks as a table by role: what is here counts languages by split.

    Below it stand the packages of those that are not of this one, and where to get the data that are not here.
    """
    table = Table(box=None, pad_edge=False)
    for name in ("task", "kind", "languages", "metric", "data here"):
        table.add_column(name, no_wrap=True)
    for (role, _), group in groupby(rows, key=lambda row: (row["role"], bool(row["package"]))):
        table.add_row(Text(role, style="bold"))
        for row in group:
            here = " ".join(f"{split} {number}" for split, number in row["data"].items())
            table.add_row(row["task"], row["kind"], str(row["languages"]), row["metric"], here or "no")
    said = [f"{row['task']}: of {row['package']}" for row in rows if row["package"]]
    said += [f"{row['task']}: to get it: {row['get']}" for row in rows if not row["data"]]
    return Group(table, Text("\n".join(said)))


def shape_of(plan: Plan, root: Path, profile: Profile) -> Shape:
    """Return what shapes the arrays under a profile, without asking the cluster."""
    minutes = minutes_of(plan, root, profile.name, profile.num_ranks)
    return Shape(time_min=profile.time_min, pack_min=profile.pack_min, minutes=minutes, at_once=profile.runs_per_gpu)


def plan_json(plan: Plan, root: Path, shape: Shape = _ANY_CLUSTER) -> dict[str, Any]:
    """Return a plan's summary and its runs as JSON."""
    done = plan.done(root)
    arrays = arrays_of(plan, done=done, queued={}, shape=shape)
    return {
        "grid": plan.name,
        "cells": len(plan.cells),
        "runs": [
            {"id": i, "stage": str(p.stage), "parent": p.run.parent, "done": i in done} for i, p in plan.runs.items()
        ],
        "arrays": [_array_json(array) for array in arrays],
        "excluded": [{**vars(item.cell), "reason": item.reason} for item in plan.excluded],
        "absent": {target: list(languages) for target, languages in plan.absent.items()},
        "left_out": {task: list(rows) for task, rows in plan.left_out.items()},
        "forecast": asdict(_forecast(plan, root, done)),
    }


def _array_json(array: Array) -> dict[str, Any]:
    sizes = {"elements": len(array.packs), "runs": len(array.runs)}
    return {"stage": array.stage, **sizes, "time_min": array.time_min, "depends_on": array.depends_on}


def print_plan(plan: Plan, root: Path, console: Console, *, runs: bool, shape: Shape = _ANY_CLUSTER) -> None:
    """Print a plan: stages, arrays, cost, and everything that is left out and why."""
    done = plan.done(root)
    console.print(Text(f"{plan.name}: {plan.question}", style="bold"))
    console.print(f"{len(plan.cells):,} cells from {len(plan.runs):,} runs, {len(done):,} of them done")
    console.print(_stage_table(plan, done))
    if len(done) < len(plan.runs):
        console.print(_array_table(arrays_of(plan, done=done, queued={}, shape=shape), shape))
        console.print(_cost(_forecast(plan, root, done), len(plan.runs) - len(done)))
        model = next(iter(plan.runs.values())).run.model
        if is_assumed(model, root):
            console.print(Text(f"model {model.id or model.path} is not here: taken to be as large as {ASSUMED_MODEL}"))
    else:
        console.print(progress_of(plan, done))
    for reason, number in Counter(item.reason for item in plan.excluded).items():
        console.print(Text(f"excluded: {number:,} cells: {reason}"))
    for target, languages in plan.absent.items():
        if languages and Role.TARGET in task_of(target).roles:
            console.print(Text(f"no labelled file of the scored split: {target} in {', '.join(languages)}"))
        elif languages:
            console.print(Text(f"not in the data: the dev set of {target}, so its own score is not reported"))
    for task, rows in plan.left_out.items():
        console.print(Text(f"left out of the training set of {task}: {len(rows):,} unreadable rows"))
        for row in rows[:_LISTED]:
            console.print(Text(f"  {row}"), soft_wrap=True)
    if runs:
        for run_id in plan.runs:
            console.print(Text(f"  {run_id}{'  done' if run_id in done else ''}"))


def progress_of(plan: Plan, done: Collection[str]) -> str:
    """Return how many of a plan's runs are done, as a sentence."""
    all_of = "all " if len(done) == len(plan.runs) else f"{len(done):,} of "
    return f"{all_of}{len(plan.runs):,} runs are done"


def print_submission(submission: Submission, console: Console, *, dry_run: bool) -> None:
    """Print the arrays of a submission."""
    if not submission.arrays:
        console.print("nothing to submit: every run is done or queued")
        return
    title = "would submit" if dry_run else "submitted"
    table = Table("array", "stage", "elements", "runs", "time limit", "waits for", title=title)
    for array in submission.arrays:
        sizes = (f"{len(array.packs):,}", f"{len(array.runs):,}", _limit(array.time_min))
        table.add_row(array.job_id or "-", array.stage, *sizes, array.dependency or "-")
    if submission.collector or dry_run:
        table.add_row(submission.collector or "-", "collector", "1", "-", "-", "all of them")
    console.print(table)
    if submission.waiting:
        console.print(f"left to a later submission: {len(submission.waiting):,} of the runs")


def _stage_table(plan: Plan, done: set[str]) -> Table:
    table = Table("stage", "runs", "done")
    for stage, planned in by_stage(plan):
        finished = sum(item.run.id in done for item in planned)
        table.add_row(str(stage), f"{len(planned):,}", f"{finished:,}")
    return table


def _array_table(arrays: Sequence[Array], shape: Shape) -> Table:
    """Return the arrays of what is not done, those of one stage and time limit together."""
    table = Table("arrays of", "arrays", "elements", "runs", "time limit")
    groups: dict[tuple[str, int], list[Array]] = {}
    for array in arrays:
        groups.setdefault((array.stage, array.time_min), []).append(array)
    for (stage, time_min), alike in groups.items():
        elements, runs = (sum(len(getattr(array, part)) for array in alike) for part in ("packs", "runs"))
        table.add_row(stage, f"{len(alike):,}", f"{elements:,}", f"{runs:,}", _limit(time_min))
    estimated = sum(run_id in shape.minutes for array in arrays for run_id in array.runs)
    if estimated:
        table.caption = f"estimated by finished runs: {estimated:,} of the runs"
    return table


def _limit(time_min: int) -> str:
    """Return a time limit in words; where none is known, it is the profile's."""
    if not time_min:
        return "the profile's"
    return f"{time_min / 60:g} h" if time_min % 30 == 0 and time_min >= 60 else f"{time_min} min"


def _forecast(plan: Plan, root: Path, done: set[str]) -> Forecast:
    return forecast(plan, root=root, todo=(planned for run_id, planned in plan.runs.items() if run_id not in done))


def _cost(cost: Forecast, runs: int) -> Text:
    source = f"the speed of {cost.calibrated_by} finished runs" if cost.calibrated_by else "an assumed speed"
    return Text(
        f"{runs:,} runs to do: {_three_digits(cost.gpu_hours)} GPU-hours by {source} ({cost.tflops:,.3g} TFLOP/s), "
        f"{in_bytes(cost.bytes_kept)} kept in {cost.files:,} files, "
        f"{in_bytes(cost.bytes_per_running)} more per running run"
    )


def _three_digits(number: float) -> str:
    """Return a number to three digits, never as a power of ten."""
    return f"{round(number, 2 - math.floor(math.log10(number))):,.0f}" if number >= 100 else f"{number:.3g}"
