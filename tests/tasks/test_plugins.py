"""Tasks of other packages: what is wrong with one is said with its package, and only where a grid uses it."""

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.tiny import grid_text, write_tiny_data
from xstilts_hpc.errors import DataError, GridError
from xstilts_hpc.examples import SequenceExample
from xstilts_hpc.files import Memory
from xstilts_hpc.listing import task_table
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.tasks.base import Source, Split, Task
from xstilts_hpc.tasks.faults import faults_of
from xstilts_hpc.tasks.folder import DataFolder
from xstilts_hpc.tasks.plugins import GROUP, Plugins, code_digest
from xstilts_hpc.version import package_top

MOOD = """
from dataclasses import replace
from xstilts_hpc.tasks import TASKS
MOOD = replace(TASKS["mnli"], name="mood", title="Mood", training_set="mood")
"""


def install(site: Path, package: str, text: str, entries: str) -> None:
    """Put a module of a package and its record beside each other, as an installer does."""
    (site / f"{package}.py").write_text(text, encoding="utf-8")
    record = site / f"{package}-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
    (record / "entry_points.txt").write_text(f"[{GROUP}]\n{entries}\n", encoding="utf-8")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder in which packages are installed for this process; their modules go with the test."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_a_task_of_another_package_is_loaded_by_name(site: Path) -> None:
    install(site, "moods", MOOD, "mood = moods:MOOD")
    plugins = Plugins(TASKS)
    assert plugins.names == ("mood",)
    assert plugins.load("mood") == replace(
        TASKS["mnli"], name="mood", title="Mood", training_set="mood", code=code_digest("moods")
    )
    assert plugins.described("mood") == f"moods 1.0 (moods:MOOD), code {code_digest('moods')[:10]}"
    assert plugins.described("mnli") == ""


def test_a_name_that_ships_cannot_be_defined_again(site: Path) -> None:
    install(site, "moods", MOOD, "mnli = moods:MOOD")
    with pytest.raises(
        GridError, match=r"'mnli' is defined by xstilts-hpc itself and by moods 1\.0 .*: pip uninstall moods$"
    ):
        Plugins(TASKS).check_name("mnli")


def test_the_package_of_a_task_stands_below_the_table_and_leaves_its_columns_alone() -> None:
    row = {"kind": "sequence", "role": "intermediate", "languages": 1, "metric": "accuracy", "data": {}, "get": "?"}
    rows = [
        {**row, "task": "mnli", "package": ""},
        {**row, "task": "mood", "package": "moods 1.0 (moods:MOOD), code 1"},
    ]
    console = Console(file=io.StringIO(), width=60)
    console.print(task_table(rows))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split() for line in lines[2:5]] == [
        ["mnli", "sequence", "1", "accuracy", "no"],
        ["intermediate"],
        ["mood", "sequence", "1", "accuracy", "no"],
    ]
    assert "mood: of moods 1.0 (moods:MOOD), code 1" in lines


def test_two_packages_with_a_task_of_one_name_are_both_named(site: Path) -> None:
    install(site, "moods", MOOD, "mood = moods:MOOD")
    install(site, "other_moods", MOOD, "mood = other_moods:MOOD")
    with pytest.raises(
        GridError, match=r"by moods 1\.0 \(moods:MOOD\) and by other_moods 1\.0 .*uninstall other_moods"
    ):
        Plugins(TASKS).load("mood")


BROKEN = {
    "import torc\n": r"ModuleNotFoundError: No module named 'torc'; mend the package, or: pip uninstall moods",
    "x = 1\n": r"AttributeError: .*MOOD",
    "MOOD = 1\n": r"it is a int, expected a Task",
    MOOD + "MOOD = replace(MOOD, name='m')\n": r"its name is 'm', expected 'mood'",
    MOOD + "MOOD = replace(MOOD, licence='')\n": r"no licence",
    MOOD + "MOOD = replace(MOOD, languages=('en', 'am'))\n": r"unknown language 'am'; valid: af, ar",
    MOOD + "MOOD = replace(MOOD, labels=())\n": r"labels is \(\), expected labels of a task of kind sequence",
    MOOD + "MOOD = replace(MOOD, training_set='modo')\n": r"training_set 'modo' is no task; did you mean 'mood'",
    MOOD + "MOOD = replace(MOOD, training_set='qqp')\n": r"trained on qqp, which has another kind or other labels",
    MOOD + "MOOD = replace(MOOD, roles=frozenset())\n": r"expected one role",
    MOOD + "MOOD = replace(MOOD, sources=MOOD.sources[-1:])\n": r"no source of the split train",
    MOOD + "MOOD = replace(MOOD, sources=MOOD.sources[:1])\n": r"no source of dev or test, so that it could never",
}


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_what_is_wrong_with_a_package_is_said_with_its_name(site: Path, text: str) -> None:
    install(site, "moods", text, "mood = moods:MOOD")
    with pytest.raises(GridError, match=BROKEN[text]) as caught:
        Plugins(TASKS).load("mood")
    assert str(caught.value).startswith("task 'mood' of moods 1.0 (moods:MOOD) cannot be used: ")


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_nothing_is_wrong_with_the_tasks_that_ship(task: Task) -> None:
    assert list(faults_of(task, task.name, TASKS)) == []


def test_a_broken_package_is_in_the_way_of_no_grid_but_its_own(site: Path, tiny_root: Path) -> None:
    install(site, "moods", "import torc\n", "mood = moods:MOOD")
    (tiny_root / "tiny.yaml").write_text(grid_text(), encoding="utf-8")
    (tiny_root / "mood.yaml").write_text(grid_text(intermediate="[{task: mood}]"), encoding="utf-8")

    def xstilts(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(package_top()), str(site)])
        command = [sys.executable, "-m", "xstilts_hpc.cli", *map(str, arguments), "--root", str(tiny_root)]
        return subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, timeout=100, check=False
        )

    assert xstilts("plan", tiny_root / "tiny.yaml").returncode == 0
    planned, listed = xstilts("plan", tiny_root / "mood.yaml"), xstilts("tasks")
    assert (planned.returncode, listed.returncode) == (3, 4)
    for found in (planned, listed):
        assert "task 'mood' of moods 1.0 (moods:MOOD) cannot be used: ModuleNotFoundError" in found.stderr
        assert "Traceback" not in found.stderr
    assert "mnli" in listed.stdout


def test_the_digest_of_the_code_is_that_of_its_own_files(site: Path) -> None:
    package = site / "moods"
    (package / "inner").mkdir(parents=True)
    for name, text in {
        "__init__": "",
        "task": "import json\nfrom moods.labels import LABELS\nfrom .inner import far\n",
        "labels": "LABELS = 1\n",
        "inner/__init__": "",
        "inner/far": "from ..near import x\n",
        "near": "x = 1\n",
        "apart": "y = 1\n",
    }.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    before = code_digest("moods.task")
    (package / "apart.py").write_text("y = 2\n", encoding="utf-8")
    assert code_digest("moods.task") == before
    seen = {before}
    for name in ("task", "labels", "near", "__init__", "inner/__init__", "inner/far"):
        with (package / f"{name}.py").open("a", encoding="utf-8") as file:
            file.write("z = 1\n")
        seen.add(code_digest("moods.task"))
    assert len(seen) == 7


def test_other_code_gives_other_digests_of_the_same_files(tmp_path: Path) -> None:
    write_tiny_data(tmp_path)
    memory = Memory(tmp_path / "memory.json")
    tasks = [replace(TASKS["mnli"], code=code) for code in ("", "1", "2")]
    digests = {DataFolder(tmp_path, memory).training_digest(task, ("en",)) for task in tasks}
    assert len(digests) == 3
    assert (
        DataFolder(tmp_path, memory)
        .locate(tasks[1], Split.DEV)
        .changed()
        .endswith("dev_matched.tsv: changed, or the code of task mnli did,")
    )


RIGHT = SequenceExample("1", "a", "b", "neutral")
WRONG: dict[str, tuple[list[object], str]] = {
    "label": ([replace(RIGHT, label="maybe")], "yields the label 'maybe', expected one of: contradiction, entailment"),
    "form": ([("a", "b")], "yields a tuple, expected SequenceExample of a task of kind sequence"),
    "twice": ([RIGHT, RIGHT], "yields the id '1' a second time"),
}


def facts_of(folder: Path, parse: Callable[..., Iterator[Any]]) -> dict[str, Any]:
    (folder / "rows.tsv").touch()
    task = replace(TASKS["mnli"], name="mood", code="1", sources=(Source(Split.DEV, ("rows.tsv",), parse),))
    return DataFolder(folder, Memory(folder / "memory.json")).facts(task, Split.DEV)


@pytest.mark.parametrize("case", WRONG)
def test_what_a_reader_of_another_package_yields_is_checked(case: str, tmp_path: Path) -> None:
    rows, message = WRONG[case]
    with pytest.raises(DataError, match=f"task mood: its reader of .*rows.tsv {message}"):
        facts_of(tmp_path, lambda paths, language: iter(rows))


def test_an_exception_of_a_reader_is_a_message(tmp_path: Path) -> None:
    def parse(paths: tuple[Path, ...], language: str) -> Iterator[object]:
        yield RIGHT
        raise KeyError("gold")

    with pytest.raises(DataError, match=r"rows\.tsv fails: KeyError: 'gold'; mend it"):
        facts_of(tmp_path, parse)


def test_right_rows_are_counted(tmp_path: Path) -> None:
    assert facts_of(tmp_path, lambda paths, language: iter([RIGHT, replace(RIGHT, id="2")]))["examples"] == 2
