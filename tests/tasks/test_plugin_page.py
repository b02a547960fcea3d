"""The page on adding a task: the package that it shows is installed, and goes from grid to accuracy table."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.tiny import grid_text, write_tiny_data
from xstilts_hpc.run_folder import run_folder
from xstilts_hpc.version import package_top

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "add_a_task.md"
MOST_LINES = 60
ROWS = [("glad", "a cat sat"), ("sad", "no cat sat"), ("glad", "two men ran"), ("sad", "no men ran")]
GRID = grid_text(
    name="moods",
    intermediate="[{task: none}, {task: mood, size: 3}]",
    target="{task: mood_x, languages: all}",
)


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return str(found)


def test_the_example_is_short() -> None:
    lines = [line for language in ("toml", "python") for line in block(language).splitlines()]
    assert 40 < len(lines) < MOST_LINES


def say(environment: dict[str, str], *command: str | Path) -> str:
    found = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, env=environment, timeout=300, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of processes that have the page's package installed, in a folder of its own."""
    pytest.importorskip("setuptools", reason="no setuptools here to build the package of the page with")
    project, installed = tmp_path_factory.mktemp("mood-task"), tmp_path_factory.mktemp("installed")
    (project / "pyproject.toml").write_text(block("toml"), encoding="utf-8")
    (project / "mood_task.py").write_text(block("python"), encoding="utf-8")
    options = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation"]
    say(dict(os.environ), "-m", "pip", "install", *options, "--target", installed, project)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(package_top()), str(installed)])}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    root = tmp_path_factory.mktemp("root")
    (root / "models").mkdir()
    (root / "models" / "tiny").symlink_to(tiny_model)
    write_tiny_data(root / "data")
    (root / "data" / "mood").mkdir()
    text = "".join(f"{label}\t{words}\n" for label, words in ROWS)
    for name in ("train-en", "dev-en", "test-de", "test-en", "test-sw"):
        (root / "data" / "mood" / f"{name}.tsv").write_text(text, encoding="utf-8")
    (root / "moods.yaml").write_text(GRID, encoding="utf-8")
    return root


def test_its_tasks_go_from_grid_to_scores(environment: dict[str, str], root: Path) -> None:
    def xstilts(*arguments: str | Path) -> str:
        return say(environment, "-m", "xstilts_hpc.cli", *arguments, "--root", root)

    rows = {row["task"]: row for row in json.loads(xstilts("tasks", "--json"))}
    assert rows["mood_x"]["data"] == {"test": 3}
    assert rows["mood"]["package"].startswith("mood-task 1.0 (mood_task:MOOD), code ")
    xstilts("submit", root / "moods.yaml", "--profile", "local")
    xstilts("collect", "moods")
    scores = pd.read_csv(root / "grids" / "moods" / "scores.csv", keep_default_na=False)
    assert set(scores[scores.target == "mood_x"].language) == {"de", "en", "sw"}
    assert set(scores[scores.target == "mood_x"].intermediate) == {"none", "mood"}
    assert set(scores[scores.target == "mood"].examples) == {len(ROWS)}
    assert "MoodX" in (root / "grids" / "moods" / "tables" / "by_task.md").read_text(encoding="utf-8")
    (run,) = (root / "runs").glob("mood_full_s0-*")
    (attempt,) = run_folder(root, run.name).attempts()
    assert attempt["tasks_of"] == {"mood": rows["mood"]["package"], "mood_x": rows["mood_x"]["package"]}


def test_a_run_whose_reader_was_edited_meanwhile_computes_nothing(
    environment: dict[str, str], root: Path, tmp_path: Path
) -> None:
    shutil.copytree(root, tmp_path / "root", ignore=shutil.ignore_patterns("runs", "grids"), symlinks=True)
    command = [sys.executable, "-m", "xstilts_hpc.cli", "run", "mood_3", "--root", str(tmp_path / "root")]
    plan = "from xstilts_hpc.commands.options import expand_grid; from xstilts_hpc.one_run import find_run\n"
    plan += "from pathlib import Path; root = Path(sys.argv[1]); plan = expand_grid(root / 'moods.yaml', root)\n"
    say(environment, "-c", f"import sys\n{plan}find_run('mood_3', root, plan)", tmp_path / "root")
    module = Path(environment["PYTHONPATH"].split(os.pathsep)[1]) / "mood_task.py"
    before = module.read_text(encoding="utf-8")
    module.write_text(before.replace('text, ""', 'text.upper(), ""'), encoding="utf-8")
    try:
        found = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    finally:
        module.write_text(before, encoding="utf-8")
    assert found.returncode == 3
    assert "train-en.tsv: changed, or the code of task mood did, since the run was planned" in found.stderr


def test_what_collects_needs_no_torch(environment: dict[str, str]) -> None:
    program = "import sys, mood_task; print({'torch', 'transformers'} & {*sys.modules})"
    assert say(environment, "-c", program).strip() == "set()"
