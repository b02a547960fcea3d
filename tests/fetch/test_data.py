"""The data of tasks, from the publishers' archives in small: fetched, recorded, and read."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.fetch.archives import sha256, zip_of
from tests.fetch.conftest import AT_ONCE
from tests.fetch.publishers import publish
from tests.fetch.site import Site
from tests.fetch.test_sources import record_of
from xstilts_hpc.disk import FullDiskError
from xstilts_hpc.errors import DataError, FetchError, LockError
from xstilts_hpc.examples import SequenceExample
from xstilts_hpc.fetch.data import Fetching, Outcome, State, fetch, jobs_of, plan_fetch, with_translations
from xstilts_hpc.fetch.watching import Watching
from xstilts_hpc.files import Memory
from xstilts_hpc.lease import hold
from xstilts_hpc.tasks import TASKS, needed_for
from xstilts_hpc.tasks.base import Split, Task
from xstilts_hpc.tasks.download import Download
from xstilts_hpc.tasks.fetched import (
    IMPORTED,
    check_fetched,
    fetch_lease,
    read_fetched,
    scratch_folder,
    sources_path,
    write_fetched,
)
from xstilts_hpc.tasks.folder import DataFolder

FETCHED = [task for task in TASKS.values() if task.downloads]
TEXT = b"text\n"
# Of these the shared data have whole files only in XTREME's form.
_OTHER_FORMS = ("xnli",)


def run(task: Task, data: Path, **how: str) -> list[Outcome]:
    watching = Watching(Console(file=io.StringIO()))
    return list(fetch([task], Fetching(data, patience=AT_ONCE, **how), watching))


def plain(site: Site, path: str = "/a.jsonl", content: bytes = TEXT, *, known: bool = True) -> Task:
    """Return a task with one plain file on a site."""
    url = site.put(path, content)
    facts = {"sha256": sha256(content), "num_bytes": len(content)} if known else {}
    return replace(TASKS["hellaswag"], downloads=(Download((url,), "hellaswag/a.jsonl", **facts),))


def examples(data: Path, task: Task) -> dict[tuple[Split, str], list[object]]:
    """Return what is read of a task in its first form, by split and language."""
    folder = DataFolder(data, Memory(Path()))
    return {
        (split, code): list(folder.locate(task, split, code).examples())
        for split in (Split.TRAIN, Split.DEV, Split.TEST)
        for code in task.languages
        if folder.has(task, split, code)
    }


@pytest.mark.shared
@pytest.mark.parametrize("task", FETCHED, ids=lambda task: task.name)
def test_what_is_fetched_of_a_task_is_read_from_there(
    task: Task, shared_data: Path, site: Site, tmp_path: Path
) -> None:
    published = publish(task, shared_data, site, tmp_path)
    found = run(published, tmp_path / "data")
    assert found
    assert {outcome.state for outcome in found} == {State.FETCHED}
    read, original = examples(tmp_path / "data", task), examples(shared_data, task)
    assert any(read.values())
    assert task.name in _OTHER_FORMS or all(found == original[key] for key, found in read.items())
    records = read_fetched(tmp_path / "data").values()
    assert {record.licence for record in records} == {task.licence}
    assert [line for record in records for line in check_fetched(tmp_path / "data", record)] == []


def test_every_download_is_stated_completely() -> None:
    every = with_translations(FETCHED, sorted({code for task in FETCHED for code in task.translations}))
    for download in (job.download for job in jobs_of(every)):
        assert all(url.startswith("https://") for url in download.urls)
        assert re.fullmatch(r"[0-9a-f]{64}", download.sha256)
        assert download.num_bytes > 0
        assert download.members or download.to


def test_every_task_can_be_fetched_or_says_what_to_do() -> None:
    for task in TASKS.values():
        assert task.downloads or task.union or task.by_hand, task.name


def test_translations_are_fetched_on_request_and_read(site: Site, tmp_path: Path) -> None:
    row = b"A\tB\tA auf Deutsch\tB auf Deutsch\tneutral\n"
    german = replace(TASKS["mnli"].translations["de"], sha256=sha256(row), num_bytes=len(row))
    site.put(f"/{german.url.partition('://')[2]}", row)
    task = replace(TASKS["mnli"], downloads=(), translations={"de": german, "sw": TASKS["mnli"].translations["sw"]})
    (found,) = run(with_translations([task], ["de"])[0], tmp_path, mirror=site.url)
    assert found.state is State.FETCHED
    (example,) = DataFolder(tmp_path, Memory(Path())).locate(TASKS["mnli"], Split.TRANSLATED, "de").examples()
    assert example == SequenceExample("train-1", "A auf Deutsch", "B auf Deutsch", "neutral")


def test_translations_are_those_that_readers_know() -> None:
    for task in TASKS.values():
        assert set(task.translations) == set(task.published.get(Split.TRANSLATED, ()))


def test_a_language_without_translations_is_an_error() -> None:
    with pytest.raises(DataError, match=r"no translation of mnli, squad_v1 into 'xx' is published; valid: ar, bg, de"):
        with_translations([TASKS["mnli"], TASKS["squad_v1"]], ["de", "xx"])
    with pytest.raises(DataError, match="no translation of hellaswag into 'de' is published; none is"):
        with_translations([TASKS["hellaswag"]], ["de"])


def test_a_task_needs_its_parts_and_its_training_set() -> None:
    assert [task.name for task in needed_for([TASKS["anli"]])] == ["anli_r1r2r3", "mnli", "snli"]
    assert [task.name for task in needed_for([TASKS["xnli"], TASKS["mlqa"]])] == ["xnli", "mnli", "mlqa", "squad_v1"]


def test_what_is_here_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    task = plain(site)
    assert [outcome.state for outcome in run(task, tmp_path)] == [State.FETCHED]
    assert [outcome.state for outcome in run(task, tmp_path)] == [State.HERE]
    assert len(site.requests) == 1
    assert list(scratch_folder(tmp_path).iterdir()) == []


@pytest.mark.parametrize("imported", [False, True])
def test_the_published_file_that_a_user_put_there_is_recorded_and_not_fetched(
    site: Site, tmp_path: Path, *, imported: bool
) -> None:
    task, mine = plain(site), tmp_path / "hellaswag/a.jsonl"
    mine.parent.mkdir()
    mine.write_bytes(TEXT)
    if imported:
        write_fetched(tmp_path, {"file:///home/me": record_of("hellaswag/a.jsonl", trusted=IMPORTED)})
    assert [outcome.state for outcome in plan_fetch([task], tmp_path)] == [State.HERE]
    assert [outcome.state for outcome in run(task, tmp_path)] == [State.HERE]
    assert site.requests == []
    record = read_fetched(tmp_path)[task.downloads[0].url]
    assert (record.trusted, record.licence, list(record.files)) == ("published", "MIT", ["hellaswag/a.jsonl"])
    assert list(check_fetched(tmp_path, record)) == []


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"texT\n")])
def test_a_file_that_was_lost_or_changed_is_fetched_again(site: Site, tmp_path: Path, damage: object) -> None:
    task = plain(site)
    run(task, tmp_path)
    damage(tmp_path / "hellaswag/a.jsonl")  # type: ignore[operator] # one of the functions above
    assert [outcome.state for outcome in run(task, tmp_path)] == [State.FETCHED]
    assert (tmp_path / "hellaswag/a.jsonl").read_bytes() == TEXT


def test_the_record_says_where_it_is_from(site: Site, tmp_path: Path) -> None:
    task = plain(site)
    run(task, tmp_path)
    ((url, record),) = json.loads(sources_path(tmp_path).read_text())["downloads"].items()
    assert url == task.downloads[0].url
    assert record.pop("time")[:2] == "20"
    assert record == {
        "tasks": ["hellaswag"],
        "url": url,
        "sha256": sha256(TEXT),
        "bytes": 5,
        "trusted": "published",
        "licence": "MIT",
        "files": {"hellaswag/a.jsonl": {"sha256": sha256(TEXT), "bytes": 5}},
    }


def test_an_unknown_digest_is_trusted_once_and_said_so(site: Site, tmp_path: Path) -> None:
    task = plain(site, known=False)
    (first,) = run(task, tmp_path)
    assert f"no SHA-256 is published: this one is trusted and recorded ({sha256(TEXT)})" in first.says
    (tmp_path / "hellaswag/a.jsonl").unlink()
    site.put("/a.jsonl", b"texT\n")
    (second,) = run(task, tmp_path)
    assert second.state is State.MISSING
    assert f"expected {sha256(TEXT)}" in second.says
    assert not (tmp_path / "hellaswag/a.jsonl").exists()


@pytest.mark.parametrize("imported", [False, True])
def test_what_a_user_put_there_is_not_replaced_and_what_came_is_kept(
    site: Site, tmp_path: Path, *, imported: bool
) -> None:
    task = plain(site)
    mine = tmp_path / "hellaswag/a.jsonl"
    mine.parent.mkdir()
    mine.write_bytes(b"mine\n")
    if imported:
        write_fetched(tmp_path, {"file:///home/me": record_of("hellaswag/a.jsonl", trusted=IMPORTED)})
    (found,) = run(task, tmp_path)
    assert "is there with other content" in found.says
    assert mine.read_bytes() == b"mine\n"
    mine.unlink()
    assert [outcome.state for outcome in run(task, tmp_path)] == [State.FETCHED]
    assert len(site.requests) == 1
    assert list(scratch_folder(tmp_path).iterdir()) == []


def test_what_was_fetched_of_another_task_is_not_replaced(site: Site, tmp_path: Path) -> None:
    run(plain(site), tmp_path)
    other = replace(plain(site, "/b.jsonl", b"texT\n"), name="other")
    assert [outcome.state for outcome in run(other, tmp_path)] == [State.MISSING]
    assert (tmp_path / "hellaswag/a.jsonl").read_bytes() == TEXT


def test_one_that_fails_stops_no_other(site: Site, tmp_path: Path) -> None:
    lost = replace(plain(site).downloads[0], urls=(f"{site.url}/lost",), to="lost")
    task = replace(plain(site), downloads=(lost, *plain(site).downloads))
    found = run(task, tmp_path)
    assert [outcome.state for outcome in found] == [State.MISSING, State.FETCHED]
    assert "answers 404 Not Found" in found[0].says


def test_an_archive_that_cannot_be_unpacked_is_dropped(site: Site, tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"other.tsv": TEXT}).read_bytes()
    url = site.put("/a.zip", archive)
    task = replace(TASKS["hellaswag"], downloads=(Download((url,), "", ("one.tsv",)),))
    (found,) = run(task, tmp_path / "data")
    assert "the archive has no one.tsv" in found.says
    assert list(scratch_folder(tmp_path / "data").iterdir()) == []
    assert read_fetched(tmp_path / "data") == {}


def test_what_a_later_version_needs_besides_is_fetched(site: Site, tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"one.tsv": TEXT, "two.tsv": TEXT}).read_bytes()
    download = Download((site.put("/a.zip", archive),), "", ("one.tsv",), sha256(archive), len(archive))
    run(replace(TASKS["hellaswag"], downloads=(download,)), tmp_path / "data")
    both = replace(TASKS["hellaswag"], downloads=(replace(download, members=("one.tsv", "two.tsv")),))
    assert [outcome.state for outcome in run(both, tmp_path / "data")] == [State.FETCHED]
    assert [outcome.state for outcome in run(both, tmp_path / "data")] == [State.HERE]


def test_too_little_room_for_all_is_said_before_anything_is_fetched(site: Site, tmp_path: Path) -> None:
    task = plain(site)
    huge = replace(task.downloads[0], urls=(f"{site.url}/huge",), num_bytes=1 << 60)
    with pytest.raises(FullDiskError, match=r"of the downloads are to come, but only [\d,]+ are free"):
        run(replace(task, downloads=(*task.downloads, huge)), tmp_path)
    assert site.requests == []


def test_a_data_folder_that_is_a_file_is_an_error(site: Site, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("", encoding="utf-8")
    with pytest.raises(FetchError, match="cannot be written to"):
        run(plain(site), tmp_path / "data")


def test_two_at_once_do_not_write_into_one_folder(site: Site, tmp_path: Path) -> None:
    with hold(fetch_lease(tmp_path)), pytest.raises(LockError, match=r"lease.json is held by process"):
        run(plain(site), tmp_path)
    assert site.requests == []


def test_a_mirror_has_a_folder_for_each_publisher(site: Site, tmp_path: Path) -> None:
    task = plain(site, "/mirror/publisher.invalid/a.jsonl")
    task = replace(task, downloads=(replace(task.downloads[0], urls=("https://publisher.invalid/a.jsonl",)),))
    (found,) = run(task, tmp_path, mirror=f"{site.url}/mirror/")
    assert found.state is State.FETCHED
    assert list(read_fetched(tmp_path)) == ["https://publisher.invalid/a.jsonl"]


def test_a_mirror_that_is_no_address_is_said_so(site: Site, tmp_path: Path) -> None:
    (found,) = run(plain(site), tmp_path, mirror="http://[bad")
    assert found.state is State.MISSING
    assert re.search(r"http://\[bad/127\.0\.0\.1.*: is not an address", found.says)


def test_a_plan_neither_asks_nor_writes(site: Site, tmp_path: Path) -> None:
    (found,) = plan_fetch([plain(site)], tmp_path / "data")
    assert (found.state, found.num_bytes, found.licence) == (State.TO_FETCH, 5, "MIT")
    assert site.requests == []
    assert list(tmp_path.iterdir()) == []


def test_what_needs_a_licence_says_what_to_do_unless_it_is_here(tmp_path: Path) -> None:
    (found,) = run(TASKS["ccg"], tmp_path)
    assert found.state is State.MISSING
    assert "get LDC2005T13" in found.says
    assert "use ccg_pmb" in found.says
    (tmp_path / "ccg.train").write_text("a\tN\n", encoding="utf-8")
    (found,) = run(TASKS["ccg"], tmp_path)
    assert (found.state, found.says) == (State.HERE, "")
