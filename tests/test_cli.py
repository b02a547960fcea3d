"""The command line as a user calls it: what it prints, its exit codes, and what it does not load."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import grid_text
from xstilts_hpc.tasks import TASKS

TOP = Path(__file__).resolve().parent.parent
COMMANDS = (
    *("demo", "tasks", "plan", "submit", "run", "status", "why", "logs", "retry", "cancel", "clean", "doctor"),
    *("collect", "export", "report"),
)
HEAVY = ("torch", "transformers", "deepspeed", "datasets", "submitit", "pandas")


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python at the top of the checkout, with lines long enough not to be wrapped."""
    environment = {**os.environ, "COLUMNS": "300", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=TOP, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def xstilts(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return python("-m", "xstilts_hpc.cli", *map(str, arguments))


def grid(root: Path, **changes: str) -> Path:
    path = root / "grid.yaml"
    path.write_text(grid_text(**changes), encoding="utf-8")
    return path


def is_one_message(found: subprocess.CompletedProcess[str], code: int, message: str) -> bool:
    lines = found.stderr.splitlines()
    return (
        found.returncode == code
        and lines[0].startswith("error: ")
        and message in lines[0]
        and "Traceback" not in found.stderr
    )


def test_help_lists_the_commands() -> None:
    found = xstilts("--help")
    assert found.returncode == 0
    listed = [line.split()[0] for line in found.stdout.partition("Commands:")[2].splitlines() if line.strip()]
    assert set(COMMANDS) <= set(listed)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example(command: str) -> None:
    found = xstilts(command, "--help")
    assert found.returncode == 0
    assert f"Example: xstilts {command}" in found.stdout


def test_help_loads_no_heavy_package() -> None:
    code = (
        "import sys, xstilts_hpc.cli as cli\n"
        "sys.argv = ['xstilts', '--help']\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "print('loaded', *sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    loaded = python("-c", code).stdout.splitlines()[-1].split()
    assert (loaded[0], "typer" in loaded) == ("loaded", True)
    assert not set(HEAVY) & set(loaded)


def test_planning_loads_neither_training_packages_nor_tables(tiny_root: Path) -> None:
    code = (
        "import sys, xstilts_hpc.cli as cli\n"
        f"sys.argv = ['xstilts', 'plan', '--json', '--root', {str(tiny_root)!r}, {str(grid(tiny_root))!r}]\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "print('loaded', *sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    loaded = python("-c", code).stdout.splitlines()[-1].split()
    assert (loaded[0], "pydantic" in loaded) == ("loaded", True)
    assert not set(HEAVY) & set(loaded)


def test_the_version_is_printed() -> None:
    assert xstilts("--version").stdout.startswith("xstilts 0.")


def test_a_plan_says_cells_runs_exclusions_and_the_next_command(tiny_root: Path) -> None:
    path = grid(tiny_root, exclude="[{where: {task: mnli, size: 2}, reason: too few}]")
    found = xstilts("plan", path, "--root", tiny_root)
    assert found.returncode == 0
    # 4 baseline cells, 4 after mnli and mnli's own; the baseline of xnli is mnli's own training.
    assert "9 cells from 8 runs, 0 of them done" in found.stdout
    assert "excluded: 4 cells: too few" in found.stdout
    assert "no labelled file of the scored split: xquad in ar, el, es, hi, ru, th, tr, vi, zh" in found.stdout
    assert f"next: xstilts submit {path}" in found.stdout
    assert not (tiny_root / "runs").exists()


def test_a_plan_lists_every_run_on_request(tiny_root: Path) -> None:
    found = xstilts("plan", grid(tiny_root, intermediate="[{task: none}]"), "--root", tiny_root, "--runs")
    names = [line.split("-")[0].strip() for line in found.stdout.splitlines() if line.startswith("  ")]
    assert names == ["mnli_full_s0", "panx_full_s0", "squad_v1_full_s0", "encoder"]


def test_a_plan_is_json_on_request(tiny_root: Path) -> None:
    found = json.loads(xstilts("plan", grid(tiny_root), "--root", tiny_root, "--json").stdout)
    assert (found["grid"], found["cells"], len(found["runs"])) == ("tiny", 14, 13)
    assert {run["stage"] for run in found["runs"]} == {"intermediate", "target", "retrieval"}
    assert not any(run["done"] for run in found["runs"])
    assert found["forecast"]["calibrated_by"] == 0


def test_a_bad_grid_is_one_message_and_leaves_nothing(tiny_root: Path) -> None:
    path = grid(tiny_root, intermediate="[{task: mnly}]")
    for command in (("plan",), ("submit", "--profile", "local"), ("run", "x", "--grid")):
        found = xstilts(*command, path, "--root", tiny_root)
        assert is_one_message(found, 3, f"{path}:6: intermediate.0.task.0: unknown task 'mnly'; did you mean 'mnli'?")
        assert found.stdout == ""
    assert not (tiny_root / "runs").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "nowhere"}, "nowhere does not exist; `xstilts data fetch` makes"),
        ({"model": "{path: nowhere}"}, "nowhere has no config.json; set model.path"),
        ({"intermediate": "[{task: mnli, size: 7}]"}, "mnli: size 7 is larger than its training set here"),
    ],
)
def test_a_grid_that_does_not_fit_the_data_is_one_message(
    tiny_root: Path, change: dict[str, str], message: str
) -> None:
    found = xstilts("plan", grid(tiny_root, **change), "--root", tiny_root)
    assert is_one_message(found, 3, message)
    assert not (tiny_root / "runs").exists()


@pytest.mark.parametrize("arguments", [["plann"], ["plan"], ["plan", "x.yaml", "--rooot", "y"], ["tasks", "x"]])
def test_a_mistyped_command_is_a_usage_error(arguments: list[str]) -> None:
    found = xstilts(*arguments)
    assert found.returncode == 2
    assert "Usage: " in found.stderr
    assert "Traceback" not in found.stderr


def test_tasks_say_what_data_are_here(tiny_root: Path) -> None:
    rows = {row["task"]: row for row in json.loads(xstilts("tasks", "--json", "--root", tiny_root).stdout)}
    assert list(rows) == list(TASKS)
    assert rows["xnli"]["data"] == {"dev": 3}
    assert (rows["xnli"]["trained_on"], rows["xnli"]["languages"]) == ("mnli", 15)
    assert rows["snli"]["data"] == {}
    shown = " ".join(xstilts("tasks", "--root", tiny_root).stdout.split())
    assert "snli: to get it: xstilts data fetch snli" in shown


def test_tasks_are_listed_without_any_data(tmp_path: Path) -> None:
    rows = json.loads(xstilts("tasks", "--json", "--root", tmp_path).stdout)
    assert [row["data"] for row in rows] == [{}] * len(TASKS)


def test_an_unknown_run_names_the_nearest(tiny_root: Path) -> None:
    found = xstilts("run", "mnli_ful_s0", "--grid", grid(tiny_root), "--root", tiny_root)
    assert is_one_message(found, 4, "no run 'mnli_ful_s0' in grid tiny; did you mean 'mnli_full_s0-")
    (tiny_root / "runs" / "xnli_full_s0-0123456789").mkdir(parents=True)
    found = xstilts("run", "xnli_ful_s0-01", "--root", tiny_root)
    assert is_one_message(found, 4, "did you mean 'xnli_full_s0-0123456789'?")


def test_a_run_where_nothing_was_submitted_says_so(tmp_path: Path) -> None:
    assert is_one_message(xstilts("run", "x", "--root", tmp_path), 4, f"no runs in {tmp_path / 'runs'}")


def test_a_beginning_of_several_runs_lists_them(tiny_root: Path) -> None:
    found = xstilts("run", "mnli_", "--grid", grid(tiny_root), "--root", tiny_root)
    assert is_one_message(found, 4, "'mnli_' begins 4 runs: ")
    assert not (tiny_root / "runs").exists()


@pytest.mark.parametrize("command", ["status", "collect", "report"])
def test_a_grid_that_was_never_submitted_says_so(tmp_path: Path, command: str) -> None:
    found = xstilts(command, "size_sweep", "--root", tmp_path)
    assert found.returncode in (3, 4)
    assert found.stderr.startswith("error: ")
    assert "Traceback" not in found.stderr
