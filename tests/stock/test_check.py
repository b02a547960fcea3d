"""What `data check` says of a data folder: counts, checksums, known departures, what is missing and how to get it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.hub_copies import write_copy
from tests.tiny import NLI, write_all_tiny_data
from xstilts_hpc.cli import app
from xstilts_hpc.files import Memory, sha256_of
from xstilts_hpc.stock.check import Counted, Finding, State, check_data, count, wanted_places
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.tasks.base import Split, Task
from xstilts_hpc.tasks.fetched import PUBLISHED, Fetched, FetchedFile, write_fetched
from xstilts_hpc.tasks.folder import DataFolder

MNLI, PAWSX, XNLI = TASKS["mnli"], TASKS["pawsx"], TASKS["xnli"]


def counted(task: Task, root: Path, split: Split, language: str = "en") -> Counted:
    """Count the files of a split as those of a task that may state other numbers."""
    return count(replace(DataFolder(root, Memory(Path())).locate(task, split, language), task=task))


def write_pawsx(root: Path, rows: int, language: str = "ko") -> None:
    path = root / "x-final" / language / "test_2k.tsv"
    path.parent.mkdir(parents=True)
    path.write_text("id\tsentence1\tsentence2\tlabel\n" + "".join(f"{i}\ta\tb\t0\n" for i in range(rows)))


def finding(root: Path, *place: str) -> Finding:
    task, split, language = place
    (found,) = (f for f in check_data(root, [task]).findings if (f.split, f.language) == (split, language))
    return found


def record(root: Path, *names: str) -> None:
    files = {name: FetchedFile(sha256_of(root / name), (root / name).stat().st_size) for name in names}
    write_fetched(root, {"u": Fetched(("mnli",), "u", "", 0, PUBLISHED, "", MNLI.licence, files)})


def test_a_split_with_the_published_number_of_examples_is_fine(tmp_path: Path) -> None:
    write_all_tiny_data(tmp_path)
    task = replace(MNLI, published={Split.DEV: {"en": len(NLI)}})
    assert counted(task, tmp_path, Split.DEV) == Counted(State.FINE, "", 6)


@pytest.mark.parametrize(("published", "state"), [(7, State.SHORT), (5, State.LONG)])
def test_another_number_of_examples_is_short_or_too_many(tmp_path: Path, published: int, state: State) -> None:
    write_all_tiny_data(tmp_path)
    task = replace(MNLI, published={Split.DEV: {"en": published}})
    assert counted(task, tmp_path, Split.DEV).state is state
    assert state.invalid


@pytest.mark.parametrize(
    ("rows", "state"), [(2000, State.FINE), (1999, State.DEPARTS), (1998, State.SHORT), (2001, State.LONG)]
)
def test_the_row_that_copies_of_pawsx_lack_is_a_known_departure(tmp_path: Path, rows: int, state: State) -> None:
    write_pawsx(tmp_path, rows)
    found = finding(tmp_path, "pawsx", "test", "ko")
    assert (found.state, found.examples, found.published) == (state, rows, 2000)
    assert ("copies on the Hugging Face hub" in found.says) is (state is State.DEPARTS)


def test_rough_counts_are_no_reason_to_call_files_short(tmp_path: Path) -> None:
    write_all_tiny_data(tmp_path)
    found = counted(TASKS["ccg"], tmp_path, Split.TRAIN)
    assert (found.state, found.says) == (State.DEPARTS, "no count of CCGbank's sentences is published")


def test_a_test_file_without_labels_departs(tmp_path: Path) -> None:
    (tmp_path / "xnli").mkdir()
    (tmp_path / "xnli" / "test-de.tsv").write_text("a\tb\r\n" * 5010)
    found = finding(tmp_path, "xnli", "test", "de")
    assert found.state is State.DEPARTS
    assert "dev is scored instead" in found.says


def test_unreadable_files_say_where(tmp_path: Path) -> None:
    (tmp_path / "xnli").mkdir()
    (tmp_path / "xnli" / "dev-de.tsv").write_text("a\tb\tmaybe\r\n")
    found = finding(tmp_path, "xnli", "dev", "de")
    assert found.state is State.UNREADABLE
    assert "dev-de.tsv:1: unknown label 'maybe'" in found.says


def test_content_other_than_was_fetched_is_found_whatever_its_size_and_time(tmp_path: Path) -> None:
    write_all_tiny_data(tmp_path)
    record(tmp_path, "MNLI/dev_matched.tsv", "MNLI/train.tsv")
    assert finding(tmp_path, "mnli", "dev", "en").state is State.SHORT
    path = tmp_path / "MNLI" / "dev_matched.tsv"
    path.write_text(path.read_text().replace("cat", "cow"))
    found = finding(tmp_path, "mnli", "dev", "en")
    assert (found.state, found.says) == (State.CHANGED, "other content than was fetched: MNLI/dev_matched.tsv")
    assert finding(tmp_path, "mnli", "train", "en").state is State.SHORT


def test_what_is_missing_is_named_with_the_command_that_gets_it(tmp_path: Path) -> None:
    write_all_tiny_data(tmp_path)
    found = check_data(tmp_path, ["xnli"])
    missing = {f.language for f in found.findings if f.state is State.MISSING and f.split is Split.TEST}
    assert missing == set(XNLI.languages)
    assert found.how_to_get(XNLI) == f"xstilts data fetch xnli --data {tmp_path}"
    assert XNLI.how_to_get(Path("experiments/data")) == "xstilts data fetch xnli"
    assert XNLI.how_to_get(tmp_path / "data", Split.TRANSLATED, "de") == (
        f"xstilts data fetch xnli --translated de --root {tmp_path}"
    )
    says = "expected xnli/dev-{language}.tsv or XNLI-1.0/xnli.dev.tsv or 2 more"
    assert finding(tmp_path, "xnli", "dev", "ar").says == says


def test_of_a_task_without_counts_only_what_it_can_read_is_looked_for() -> None:
    dev_only = tuple(source for source in MNLI.sources if source.split is Split.DEV)
    assert wanted_places(replace(MNLI, published={}, sources=dev_only)) == [(Split.DEV, "en")]


def test_an_unsound_copy_is_no_data_and_the_reason_is_said(tmp_path: Path) -> None:
    write_copy(tmp_path, "google--xtreme/bucc18.de/test", [{"a": "b"}])
    found = finding(tmp_path, "bucc2018", "test", "de")
    assert found.state is State.MISSING
    assert "bucc18.de/test-00000-of-00001.parquet: google/xtreme has only the pairs" in found.says


def test_a_task_that_cannot_be_fetched_says_what_to_do_by_hand() -> None:
    assert replace(MNLI, by_hand="ask for it").how_to_get(Path()) == "ask for it"


def test_a_union_is_checked_by_its_parts_and_each_task_once(tmp_path: Path) -> None:
    names = [task.name for task in check_data(tmp_path, ["mnli", "anli"]).tasks]
    assert names == ["mnli", "anli_r1r2r3", "snli"]


def test_translated_sets_and_text_are_checked_only_where_they_are(tmp_path: Path) -> None:
    assert {f.split for f in check_data(tmp_path, ["mnli", "mlm"]).findings} == {Split.TRAIN, Split.DEV}
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "de.txt").write_text("ein Satz\n")
    found = finding(tmp_path, "mlm", "train", "de")
    assert (found.state, found.examples) == (State.FINE, 1)


def test_it_tells_what_it_is_reading(tmp_path: Path) -> None:
    told: list[str] = []
    check_data(tmp_path, ["mnli", "anli"], told.append)
    assert told == ["reading mnli", "reading anli_r1r2r3", "reading snli"]


def test_checking_writes_nothing(tmp_path: Path) -> None:
    write_all_tiny_data(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    check_data(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_the_exit_code_tells_invalid_from_missing(tmp_path: Path) -> None:
    runner = CliRunner()
    nothing = runner.invoke(app, ["data", "check", "mnli", "--root", str(tmp_path)])
    assert nothing.exit_code == 4
    assert f"there is no data folder {tmp_path / 'data'}" in nothing.stdout
    assert "mnli: to get it: xstilts data fetch mnli" in nothing.stdout
    write_all_tiny_data(tmp_path / "data")
    assert runner.invoke(app, ["data", "check", "mnli", "--root", str(tmp_path)]).exit_code == 3
    good = runner.invoke(app, ["data", "check", "mlm", "--data", str(tmp_path / "data"), "--json"])
    assert good.exit_code == 0
    (task,) = json.loads(good.stdout)["tasks"]
    assert (task["task"], task["get"], task["licence"][:3]) == ("mlm", "", "tha")


@pytest.mark.shared
def test_the_real_data_are_short_and_readable_in_every_language_they_have(shared_data: Path) -> None:
    found = check_data(shared_data, ["xnli", "udpos", "bucc2018", "panx"])
    states = {finding.state for finding in found.findings}
    assert states == {State.SHORT, State.MISSING, State.DEPARTS}
    assert [f.says for f in found.findings if f.state is State.UNREADABLE] == []
