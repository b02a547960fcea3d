"""docs/data.md has what the task files state; each command for data and models that a page shows is executed."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.documented import commands, pages
from tests.documented_data import put_on_hub, small_tasks
from tests.documented_world import GIVEN_DATA
from tests.fetch.conftest import site as site
from tests.fetch.site import Site
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


ALL = re.compile(r"xstilts data fetch( --dry-run| --mirror \S+)?")
SHOWN = sorted(
    {shown.text for page in pages() for shown in commands(page) if shown.whole and re.match(GIVEN_DATA, shown.text)}
)


@pytest.fixture
def mine(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with small data of every task, which a site has too: as their publishers, and as the hub."""
    for name, task in small_tasks(tmp_path / "mine" / "download", site).items():
        monkeypatch.setitem(TASKS, name, task)
    put_on_hub(tmp_path / "mine" / "download", site)
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "mine"


@pytest.mark.parametrize("text", SHOWN)
def test_every_command_for_data_and_models_that_a_page_shows_works(
    text: str, mine: Path, site: Site, tmp_path: Path
) -> None:
    filled = re.sub(r"/path/to/\w+", str(mine), text).replace("http://mirror.example.org/data", site.url)
    arguments = shlex.split(filled)[1:]
    if arguments[0] == "data":
        arguments += ["--root", str(tmp_path)]
    if arguments[1] == "check":
        shutil.copytree(mine / "download", tmp_path / "data")
    found = CliRunner().invoke(app, arguments)
    # Of all tasks CCGbank and PAN-X are missing, and what to do about them is said.
    assert (found.exit_code, "get LDC2005T13" in found.output) == ((4, True) if ALL.fullmatch(text) else (0, False)), (
        found.output
    )
    asked = [path for path, _ in site.requests if not path.startswith("/api/")]
    assert bool(asked) is ("fetch" in text and "--dry-run" not in text)


def test_pages_show_commands_of_every_kind() -> None:
    kinds = {" ".join(text.split()[1:3]) for text in SHOWN}
    assert kinds == {"data fetch", "data import", "data check", "model fetch"}
