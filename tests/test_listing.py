"""What plan and submit print of arrays, elements and time limits."""

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from tests.cluster.trivial_runs import make_plan, make_profile, run_of
from tests.tiny import grid_text
from xstilts_hpc.cluster.packing import Shape
from xstilts_hpc.cluster.profile import describe
from xstilts_hpc.cluster.submission import Submission, SubmittedArray
from xstilts_hpc.expand import expand
from xstilts_hpc.files import write_json
from xstilts_hpc.grid import load_grid
from xstilts_hpc.listing import plan_json, print_plan, print_submission, shape_of
from xstilts_hpc.machine import Machine
from xstilts_hpc.plan import Plan
from xstilts_hpc.run_folder import run_folder


def tiny_plan(root: Path) -> Plan:
    path = root / "grid.yaml"
    path.write_text(grid_text(intermediate="[{task: mnli}]", target="{task: [xnli, panx]}"), encoding="utf-8")
    return expand(load_grid(path), root=root)


def printed(plan: Plan, root: Path, shape: Shape) -> list[list[str]]:
    """Return the cells of every row printed in the tables of a plan."""
    console = Console(file=io.StringIO(), width=120)
    print_plan(plan, root, console, runs=False, shape=shape)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]


def test_a_plan_shows_its_arrays_with_their_time_limits(tiny_root: Path) -> None:
    plan = tiny_plan(tiny_root)
    shape = Shape(time_min=90)
    assert printed(plan, tiny_root, shape) == [
        ["intermediate", "1", "0"],
        ["target", "2", "0"],
        ["intermediate", "1", "1", "1", "1.5 h"],
        ["target", "2", "2", "2", "1.5 h"],
    ]


def test_packs_and_estimates_show(tiny_root: Path) -> None:
    plan = tiny_plan(tiny_root)
    shape = Shape(time_min=90, pack_min=60, minutes=dict.fromkeys(plan.runs, 4.0))
    assert printed(plan, tiny_root, shape)[2:] == [
        ["intermediate+target", "1", "1", "3", "30 min"],
    ]
    assert plan_json(plan, tiny_root, shape)["arrays"] == [
        {"stage": "intermediate+target", "elements": 1, "runs": 3, "time_min": 30, "depends_on": -1},
    ]


def test_a_profile_shapes_arrays_by_the_runs_that_finished_under_it(tiny_root: Path) -> None:
    plan = tiny_plan(tiny_root)
    for item in [*plan.runs.values()][:3]:
        folder = run_folder(tiny_root, item.run.id)
        folder.prepare(item.run, item.request)
        write_json(folder.provenance(1), {"measured": {"train_s": 60}, "ranks": 1, "profile": "alps"})
        folder.commit({}, [], item.request)
    shape = shape_of(plan, tiny_root, make_profile(name="alps", pack_min=45))
    assert (shape.time_min, shape.pack_min, set(shape.minutes)) == (5, 45, set(plan.runs))
    assert shape_of(plan, tiny_root, make_profile(name="other")).minutes == {}


def test_a_submission_shows_packs_limits_and_what_is_left(tmp_path: Path) -> None:
    plan = make_plan({"a": ["a1"]}, ["x", "y"])
    a, a1, x, y = (run_of(plan, task) for task in ("a", "a1", "x", "y"))
    arrays = (SubmittedArray("target", ((x,), (a, a1)), -1, "", "17", time_min=45),)
    profile = describe(make_profile())
    submission = Submission(tmp_path, "small", tmp_path, profile, Machine(), arrays, "t", waiting=(y,))
    console = Console(file=io.StringIO(), width=120)
    print_submission(replace(submission, collector="18"), console, dry_run=False)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]
    assert rows == [["17", "target", "2", "3", "45 min", "-"], ["18", "collector", "1", "-", "-", "all of them"]]
    assert lines[-1] == "left to a later submission: 1 of the runs"
