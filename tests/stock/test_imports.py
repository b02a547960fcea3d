"""What `data import` finds in folders of every layout, what it puts into the data folder, and what it refuses."""

import json
import os
from pathlib import Path

import pytest

from tests.hub_copies import write_copy
from tests.published import Files, folder_of, squad
from tests.tiny import NLI, treebank, write_all_tiny_data
from xstilts_hpc.errors import DataError, LockError
from xstilts_hpc.files import Memory, sha256_of
from xstilts_hpc.lease import hold
from xstilts_hpc.stock import search
from xstilts_hpc.stock.check import State, check_data
from xstilts_hpc.stock.imports import Import, apply_import, not_used, plan_import
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.tasks.base import Split
from xstilts_hpc.tasks.fetched import PUBLISHED, Fetched, FetchedFile, fetch_lease, read_fetched, write_fetched
from xstilts_hpc.tasks.folder import DataFolder

STORY = {"ctx_a": "a", "ctx_b": "b", "endings": ["c"] * 4, "label": "1", "source_id": "wikihow~1"}
PAIRS = "".join(f"{a}\t{b}\t{label}\r\n" for a, b, label in NLI)


def imported(name: str, folder: Path, data: Path, *, link: bool = False, replacing: bool = False) -> Import:
    plan = plan_import(TASKS[name], folder, data, replacing=replacing)
    apply_import(plan, link=link)
    return plan


def places(data: Path, name: str) -> list[str]:
    """Return what a data folder has of a task, as `split language`."""
    folder = DataFolder(data, Memory(Path()))
    return [f"{s} {code}" for s in Split for code in TASKS[name].languages if folder.has(TASKS[name], s, code)]


LAYOUTS: dict[str, tuple[str, str, Files, list[str]]] = {
    "XTREME's download": ("xnli", "mine/download/xnli/dev-de.tsv", {}, ["dev de"]),
    "the task's own folder": ("xnli", "dev-de.tsv", {}, ["dev de"]),
    "raw release": ("pawsx", "a/b/x-final/ko/test_2k.tsv", {}, ["test ko"]),
    "the release's folder": ("pawsx", "ko/test_2k.tsv", {}, []),
    "jiant's": ("xquad", "xquad/xquad.de.json", {}, ["test de"]),
    "a treebank": ("udpos", "ud-treebanks-v2.5/UD_German-GSD/de_gsd-ud-dev.conllu", {}, ["dev de"]),
}
CONTENT = {
    "xnli": PAIRS,
    "pawsx": "id\tsentence1\tsentence2\tlabel\n1\ta\tb\t0\n",
    "xquad": squad(),
    "udpos": treebank(),
}
CONTENT["xquad"] = squad({"id": "1", "question": "who?", "answers": [{"text": "Ann", "answer_start": 0}]})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_are_found_in_every_layout(layout: str, tmp_path: Path) -> None:
    name, path, others, expected = LAYOUTS[layout]
    folder_of(tmp_path / "mine", {path: CONTENT[name], **others})
    if not expected:
        with pytest.raises(DataError, match="no file of PAWS-X; expected one of\n  x-final/"):
            plan_import(TASKS[name], tmp_path / "mine", tmp_path / "data")
        return
    imported(name, tmp_path / "mine", tmp_path / "data")
    assert places(tmp_path / "data", name) == expected


@pytest.mark.parametrize(
    "place",
    ["hub/Rowan--hellaswag/x", "hellaswag/data", "Rowan/hellaswag/data", "datasets--Rowan--hellaswag/snapshots/f/data"],
)
@pytest.mark.parametrize("inside", [False, True])
def test_parquet_of_the_hub_is_found_wherever_its_tools_put_it(place: str, inside: bool, tmp_path: Path) -> None:
    write_copy(tmp_path / "made", "a--b/c/train", [STORY])
    (tmp_path / "mine" / place).mkdir(parents=True)
    (made,) = (tmp_path / "made").rglob("*.parquet")
    made.rename(tmp_path / "mine" / place / made.name)
    imported("hellaswag", tmp_path / "mine" / place if inside else tmp_path / "mine", tmp_path / "data")
    assert places(tmp_path / "data", "hellaswag") == ["train en"]
    assert [path.name for path in (tmp_path / "data/hub").iterdir()] == ["Rowan--hellaswag"]


def test_shards_beside_those_of_another_copy_are_not_imported(tmp_path: Path) -> None:
    write_copy(tmp_path / "mine", "Rowan--hellaswag/data/train", [STORY])
    imported("hellaswag", tmp_path / "mine", tmp_path / "data")
    (path,) = (tmp_path / "mine").rglob("*.parquet")
    path.rename(path.with_name("train-00000-of-00001-ab12.parquet"))
    with pytest.raises(
        DataError, match=r"has train-00000-of-00001.parquet too, of another copy .*; move it away first"
    ):
        plan_import(TASKS["hellaswag"], tmp_path / "mine", tmp_path / "data", replacing=True)


def test_an_unsound_copy_is_not_imported_and_says_why(tmp_path: Path) -> None:
    write_copy(tmp_path / "mine", "google--xtreme/bucc18.de/test", [{"source_sentence": "a"}])
    with pytest.raises(DataError, match=r"bucc18.de/test-00000-of-00001.parquet: google/xtreme has only the pairs"):
        plan_import(TASKS["bucc2018"], tmp_path / "mine", tmp_path / "data")


def test_an_unsound_copy_beside_the_publishers_files_is_passed_over(tmp_path: Path) -> None:
    write_all_tiny_data(tmp_path / "mine")
    for split in ("train", "validation"):
        write_copy(tmp_path / "mine", f"google--xtreme/tydiqa/{split}", [{"a": "b"}])
    plan = imported("tydiqa", tmp_path / "mine", tmp_path / "data")
    assert plan.targets
    assert not [name for name in plan.targets if name.startswith("hub/")]


def test_a_split_that_stands_only_in_an_unsound_copy_is_missing_with_the_reason(tmp_path: Path) -> None:
    folder_of(tmp_path / "mine", {"udpos/de_gsd-ud-test.conllu": CONTENT["udpos"]})
    write_copy(tmp_path / "mine", "google--xtreme/udpos.German/validation", [{"a": "b"}])
    check = imported("udpos", tmp_path / "mine", tmp_path / "data").check
    (dev,) = (f for f in check.findings if (f.split, f.language) == (Split.DEV, "de"))
    assert dev.state is State.MISSING
    assert "leaves out the fused words" in dev.says


def test_the_folder_may_be_a_part_of_the_published_name(tmp_path: Path) -> None:
    folder_of(tmp_path, {"MLQA_V1/dev/dev-context-de-question-de.json": CONTENT["xquad"]})
    plan = imported("mlqa", tmp_path / "MLQA_V1" / "dev", tmp_path / "data")
    assert list(plan.targets) == ["MLQA_V1/dev/dev-context-de-question-de.json"]
    assert places(tmp_path / "data", "mlqa") == ["dev de"]


@pytest.mark.parametrize("name", [name for name in TASKS if name != "mlm"])
def test_every_task_is_imported_from_a_folder_of_all_and_read_the_same(name: str, tmp_path: Path) -> None:
    parts = {part.name for part in TASKS[name].union or (TASKS[name],)}  # not what it is trained on
    write_all_tiny_data(tmp_path / "mine" / "deep")
    imported(name, tmp_path / "mine", tmp_path / "data")
    before, after = (
        {(f.split, f.language): f.examples for f in check_data(tmp_path / folder, [name]).findings if f.task in parts}
        for folder in ("mine/deep", "data")
    )
    assert after == before
    assert any(after.values())


def test_of_several_copies_the_fullest_with_labels_is_taken(tmp_path: Path) -> None:
    files: Files = {
        "stripped/xnli/test-de.tsv": "a\tb\r\n" * 9,
        "sample/XNLI-1.0/xnli.test.jsonl": json.dumps(
            {"language": "de", "gold_label": "neutral", "sentence1": "a", "sentence2": "b", "pairID": "1"}
        ),
        "whole/xnli/test-de.tsv": PAIRS,
    }
    folder_of(tmp_path / "mine", files)
    plan = plan_import(TASKS["xnli"], tmp_path / "mine", tmp_path / "data")
    assert plan.targets == {"xnli/test-de.tsv": tmp_path / "mine/whole/xnli/test-de.tsv"}


def test_what_is_still_missing_is_said(tmp_path: Path) -> None:
    folder_of(tmp_path / "mine", {"xnli/dev-de.tsv": PAIRS})
    folder_of(tmp_path / "data", {"xnli/dev-fr.tsv": PAIRS})
    found = plan_import(TASKS["xnli"], tmp_path / "mine", tmp_path / "data").check
    missing = {f.language for f in found.findings if f.state is State.MISSING and f.split is Split.DEV}
    assert missing == set(TASKS["xnli"].languages) - {"de", "fr"}


def test_unreadable_files_are_not_imported(tmp_path: Path) -> None:
    folder_of(tmp_path / "mine", {"xnli/dev-de.tsv": "a\tb\tmaybe\r\n", "xnli/dev-fr.tsv": PAIRS})
    with pytest.raises(DataError, match=r"nothing was imported(.|\n)*dev-de.tsv:1: unknown label 'maybe'"):
        plan_import(TASKS["xnli"], tmp_path / "mine", tmp_path / "data")


def test_where_nothing_fits_what_is_there_is_listed(tmp_path: Path) -> None:
    folder_of(tmp_path / "mine", {"a/notes.txt": "x"})
    with pytest.raises(
        DataError, match=r"no file of MNLI; expected one of\n  MNLI/train.tsv(.|\n)*1 other files: a/notes"
    ):
        plan_import(TASKS["mnli"], tmp_path / "mine", tmp_path / "data")


def test_no_folder_and_too_many_folders_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        DataError, match="mine is not a folder that you may read; name the one that holds the files of MN"
    ):
        plan_import(TASKS["mnli"], tmp_path / "mine", tmp_path / "data")
    for number in range(4):
        (tmp_path / "mine" / str(number)).mkdir(parents=True)
    monkeypatch.setattr(search, "MOST_FOLDERS", 4)
    with pytest.raises(DataError, match="mine has more than 4 folders; name one that is nearer"):
        plan_import(TASKS["mnli"], tmp_path / "mine", tmp_path / "data")


def test_folders_that_link_to_themselves_end(tmp_path: Path) -> None:
    folder_of(tmp_path / "mine", {"xnli/dev-de.tsv": PAIRS})
    (tmp_path / "mine" / "again").symlink_to(tmp_path / "mine")
    plan = plan_import(TASKS["xnli"], tmp_path / "mine", tmp_path / "data")
    assert plan.targets == {"xnli/dev-de.tsv": tmp_path / "mine/xnli/dev-de.tsv"}


def test_other_files_are_replaced_only_on_request(tmp_path: Path) -> None:
    folder_of(tmp_path / "mine", {"xnli/dev-de.tsv": PAIRS, "xnli/dev-fr.tsv": PAIRS})
    folder_of(tmp_path / "data", {"xnli/dev-de.tsv": PAIRS * 2, "xnli/dev-fr.tsv": PAIRS})
    with pytest.raises(DataError, match=r"another content under xnli/dev-de.tsv; --replace"):
        plan_import(TASKS["xnli"], tmp_path / "mine", tmp_path / "data")
    plan = imported("xnli", tmp_path / "mine", tmp_path / "data", replacing=True)
    assert (plan.new, plan.same) == (["xnli/dev-de.tsv"], {"xnli/dev-fr.tsv"})
    assert (tmp_path / "data/xnli/dev-de.tsv").read_bytes() == PAIRS.encode()


def test_a_link_is_the_same_file_or_points_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of(tmp_path / "mine", {"xnli/dev-de.tsv": PAIRS})
    imported("xnli", tmp_path / "mine", tmp_path / "data", link=True)
    assert (tmp_path / "data/xnli/dev-de.tsv").samefile(tmp_path / "mine/xnli/dev-de.tsv")

    here = os.link

    def from_another_file_system(path: Path, other: Path) -> None:
        if path.is_relative_to(tmp_path / "mine"):
            raise OSError(18, "Invalid cross-device link")
        here(path, other)

    monkeypatch.setattr(os, "link", from_another_file_system)
    imported("xnli", tmp_path / "mine", tmp_path / "other", link=True)
    assert (tmp_path / "other/xnli/dev-de.tsv").readlink() == tmp_path / "mine/xnli/dev-de.tsv"


def test_an_import_is_recorded_and_checked_from_then_on(tmp_path: Path) -> None:
    folder_of(tmp_path / "mine", {"xnli/dev-de.tsv": PAIRS})
    old = {name: FetchedFile("0" * 64, 1) for name in ("xnli/dev-de.tsv", "xnli/dev-fr.tsv")}
    (tmp_path / "data").mkdir()
    write_fetched(tmp_path / "data", {"u": Fetched(("xnli",), "u", "", 0, PUBLISHED, "", "", old)})
    imported("xnli", tmp_path / "mine", tmp_path / "data")
    records = read_fetched(tmp_path / "data")
    assert list(records["u"].files) == ["xnli/dev-fr.tsv"]
    (record,) = (record for url, record in records.items() if url != "u")
    assert (record.url, record.trusted) == ((tmp_path / "mine").as_uri(), "imported")
    path = tmp_path / "data/xnli/dev-de.tsv"
    path.write_bytes(path.read_bytes().replace(b"cat", b"cow"))
    (found,) = (f for f in check_data(tmp_path / "data", ["xnli"]).findings if (f.split, f.language) == ("dev", "de"))
    assert found.state is State.CHANGED


def test_an_altered_file_is_not_made_right_by_importing_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    folder_of(tmp_path / "mine", {"xnli/dev-de.tsv": PAIRS})
    imported("xnli", tmp_path / "mine", data)
    before = read_fetched(data)
    (data / "xnli/dev-de.tsv").write_bytes(PAIRS.encode().replace(b"cat", b"cow"))
    for replacing in (False, True):
        with pytest.raises(DataError, match=r"xnli/dev-de.tsv is not what SOURCES.json says .*data fetch xnli"):
            plan_import(TASKS["xnli"], data, data, replacing=replacing)
    assert read_fetched(data) == before


def test_only_what_no_record_has_is_recorded_anew(tmp_path: Path) -> None:
    data = tmp_path / "data"
    folder_of(data, {f"xnli/dev-{code}.tsv": PAIRS for code in ("ar", "de")})
    fetched = FetchedFile(sha256_of(data / "xnli/dev-ar.tsv"), len(PAIRS))
    write_fetched(data, {"u": Fetched(("xnli",), "u", "", 0, PUBLISHED, "", "", {"xnli/dev-ar.tsv": fetched})})
    imported("xnli", data, data)
    folder_of(data, {"xnli/dev-fr.tsv": PAIRS})
    imported("xnli", data, data)
    records = read_fetched(data)
    published, (record,) = records.pop("u"), records.values()
    assert (list(published.files), published.trusted) == (["xnli/dev-ar.tsv"], PUBLISHED)
    assert (list(record.files), record.bytes) == (["xnli/dev-de.tsv", "xnli/dev-fr.tsv"], 2 * len(PAIRS))


def test_an_import_that_a_preferred_form_hides_is_named(tmp_path: Path) -> None:
    folder_of(tmp_path / "data", {"x-final/de/test_2k.tsv": CONTENT["pawsx"]})
    folder_of(tmp_path / "mine", {"pawsx/test-de.tsv": "a\tb\t0\r\n"})
    plan = imported("pawsx", tmp_path / "mine", tmp_path / "data")
    assert not_used(plan) == [
        "pawsx test de: x-final/de/test_2k.tsv goes before what was imported; move it away to use that"
    ]


def test_nothing_is_imported_while_another_process_fetches(tmp_path: Path) -> None:
    folder_of(tmp_path / "mine", {"xnli/dev-de.tsv": PAIRS})
    plan = plan_import(TASKS["xnli"], tmp_path / "mine", tmp_path / "data")
    with hold(fetch_lease(tmp_path / "data")), pytest.raises(LockError, match=r"lease\.json"):
        apply_import(plan)
    assert places(tmp_path / "data", "xnli") == []


@pytest.mark.shared
@pytest.mark.parametrize("name", ["xnli", "udpos", "anli", "tatoeba"])
def test_the_real_data_are_imported_whole(name: str, shared_data: Path, tmp_path: Path) -> None:
    imported(name, shared_data, tmp_path / "data", link=True)
    here, there = (
        {(f.task, f.split, f.language, f.examples) for f in check_data(folder, [name]).findings if f.files}
        for folder in (tmp_path / "data", shared_data)
    )
    assert here == {found for found in there if found[0] in {found[0] for found in here}}
