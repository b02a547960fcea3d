"""docs/data.md: its table is what the task files state, and every command in it works."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.tiny import write_all_tiny_data
from xstilts_hpc.cli import app
from xstilts_hpc.languages import ENGLISH
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.tasks.base import Split, Task

PAGE = Path(__file__).resolve().parent.parent / "docs" / "data.md"
TEXT = PAGE.read_text(encoding="utf-8")


def counted(task: Task, split: Split) -> str:
    """Return the examples of a split as the table has them: the sum, and over how many languages."""
    counts = {code: count for code, count in task.published.get(split, {}).items() if count}
    if not counts:
        return ""
    languages = str(len(counts)) if len(counts) > 1 else "".join(counts)
    about = "about " if task.rough else ""
    return f"{about}{sum(counts.values()):,}" + (f" in {languages}" if languages != ENGLISH else "")


def row(task: Task) -> str:
    hub = ", ".join(dict.fromkeys(copy.id for copy in task.hub))
    splits = (Split.TRAIN, Split.DEV, Split.TEST)
    cells = (f"`{task.name}`", *(counted(task, split) for split in splits), task.origin, task.licence, hub)
    return f"| {' | '.join(cells)} |"


def test_the_table_is_what_the_task_files_state() -> None:
    expected = [row(task) for task in TASKS.values() if not task.union]
    found = re.findall(r"^\| `\w+` .*\|$", TEXT, re.MULTILINE)
    assert found == expected


@pytest.mark.parametrize("task", [task for task in TASKS.values() if task.by_hand], ids=lambda task: task.name)
def test_what_cannot_be_fetched_is_explained(task: Task) -> None:
    assert f"**`{task.name}`**" in TEXT


def commands() -> Iterator[str]:
    for block in re.findall(r"```\w*\n(.*?)```", TEXT, re.DOTALL):
        for line in block.splitlines():
            command = re.sub(r"(^|\s)#.*", "", line).strip()
            if command.startswith("xstilts "):
                yield command


@pytest.mark.parametrize("command", list(commands()))
def test_every_command_of_the_page_works(command: str, tmp_path: Path) -> None:
    write_all_tiny_data(tmp_path / "mine" / "download")
    arguments = [text.replace("/path/to", str(tmp_path / "mine")) for text in shlex.split(command)[1:]]
    if arguments[0] in ("data", "tasks"):
        arguments += ["--root", str(tmp_path)]
    if arguments[:2] == ["data", "fetch"] and "--dry-run" not in arguments:
        arguments.append("--dry-run")
    if "hub" in arguments or arguments[0] == "model":  # it asks the hub even for a dry run
        usage = CliRunner().invoke(app, [*arguments[:2], "--help"]).stdout
        assert all(option in usage for option in re.findall(r"--\w+", command))
        return
    answer = CliRunner().invoke(app, arguments)
    assert isinstance(answer.exception, SystemExit | None), answer.exception
    assert answer.exit_code in (0, 3, 4), answer.output
