"""Data sets of the hub: parquet files of today, with the digests that the hub states."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.fetch.archives import sha256
from tests.fetch.conftest import AT_ONCE
from tests.fetch.hub_site import COMMIT, put_repository
from tests.fetch.site import Site
from tests.fetch.test_data import run
from xstilts_hpc.fetch.data import State
from xstilts_hpc.fetch.hub import with_hub_files
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.tasks.base import Task
from xstilts_hpc.tasks.download import HubFiles
from xstilts_hpc.tasks.fetched import read_fetched

PARQUET = b"PAR1" + bytes(100) + b"PAR1"
CONVERTED = "refs/convert/parquet"


@pytest.fixture(autouse=True)
def hub(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", site.url)


def found_on_hub(*configurations: str) -> Task:
    task = replace(TASKS["mnli"], hub=(HubFiles("org/name", configurations),))
    return with_hub_files(task, AT_ONCE)


def test_files_of_the_configurations_are_fetched(site: Site, tmp_path: Path) -> None:
    names = ("mnli/train-00000-of-00001.parquet", "qqp/train-00000-of-00001.parquet", "mnli/notes.md", "data.parquet")
    put_repository(site, "datasets", "org/name", dict.fromkeys(names, PARQUET))
    task = found_on_hub("mnli")
    (download,) = task.downloads
    assert download.url == f"{site.url}/datasets/org/name/resolve/{COMMIT}/{names[0]}"
    assert (download.sha256, download.num_bytes) == (sha256(PARQUET), len(PARQUET))
    assert [outcome.state for outcome in run(task, tmp_path)] == [State.FETCHED]
    assert (tmp_path / "hub/org--name" / names[0]).read_bytes() == PARQUET


def test_after_the_hubs_main_moved_its_files_replace_those_of_before(site: Site, tmp_path: Path) -> None:
    name = "mnli/train-00000-of-00001.parquet"
    put_repository(site, "datasets", "org/name", {name: PARQUET})
    run(found_on_hub("mnli"), tmp_path)
    put_repository(site, "datasets", "org/name", {name: PARQUET * 2}, commit=COMMIT[::-1])
    assert [outcome.state for outcome in run(found_on_hub("mnli"), tmp_path)] == [State.FETCHED]
    assert (tmp_path / "hub/org--name" / name).read_bytes() == PARQUET * 2
    (url,) = read_fetched(tmp_path)
    assert COMMIT[::-1] in url


def test_an_only_configuration_may_lie_in_the_folder_data(site: Site) -> None:
    put_repository(site, "datasets", "org/name", {"data/train-00000-of-00001.parquet": PARQUET})
    (download,) = found_on_hub("default").downloads
    assert download.to == "hub/org--name/default/train-00000-of-00001.parquet"


def test_what_has_no_parquet_is_taken_as_the_hub_converted_it(site: Site) -> None:
    put_repository(site, "datasets", "org/name", {"script.py": b"code"})
    converted = {"default/train/0000.parquet": PARQUET, "default/test/0000.parquet": PARQUET, "x/y/0.parquet": PARQUET}
    put_repository(site, "datasets", "org/name", converted, revision=CONVERTED)
    names = [download.to for download in found_on_hub("default").downloads]
    assert names == ["hub/org--name/default/train-0000.parquet", "hub/org--name/default/test-0000.parquet"]


def test_a_configuration_that_is_not_there_is_missing(site: Site, tmp_path: Path) -> None:
    for revision in ("main", CONVERTED):
        put_repository(site, "datasets", "org/name", {"a/train-0.parquet": PARQUET}, revision=revision)
    (found,) = run(found_on_hub("a", "b"), tmp_path)
    assert found.state is State.MISSING
    assert "org/name has no parquet files of 'b' on the hub" in found.says


def test_a_task_without_a_copy_says_where_it_is_from(tmp_path: Path) -> None:
    task = with_hub_files(replace(TASKS["bucc2018"], hub=()), AT_ONCE)
    (found,) = run(task, tmp_path)
    assert found.state is State.MISSING
    assert found.says.startswith("no copy on the hub is read; get it from https://comparable.limsi.fr/bucc2018/")
