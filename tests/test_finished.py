"""What is remembered of commit records never hides that something is missing."""

import os
from pathlib import Path
from typing import Any

import pytest

from xstilts_hpc.files import read_record, write_json
from xstilts_hpc.finished import Finished
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.run import ModelSource, Prediction, Request, Run
from xstilts_hpc.run_folder import RunFolder, run_folder
from xstilts_hpc.training import training_on

RUN = Run(ModelSource(path="model", digest="0"), training_on("xnli", "0"), Recipe())
ASKED = Request((Prediction("xnli", "test", {"en": "1"}),), "data")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Give the folder of a run that is done and was looked at once."""
    folder = run_folder(tmp_path, RUN.id)
    folder.prepare(RUN, ASKED)
    folder.logits("xnli").parent.mkdir()
    folder.logits("xnli").write_bytes(b"1234")
    folder.commit({}, [folder.logits("xnli")], ASKED)
    assert done(tmp_path)
    assert (tmp_path / "cache" / "done.json").is_file()
    return folder


def done(root: Path, asked: Request = ASKED) -> bool:
    finished = Finished(root)
    answer = finished.done(RUN.id, asked)
    finished.save()
    return answer


def test_a_record_is_read_once(folder: RunFolder, tmp_path: Path) -> None:
    found = folder.done_json.stat()
    with folder.done_json.open("r+b") as file:
        file.write(b" " * found.st_size)
    os.utime(folder.done_json, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert done(tmp_path)
    assert not folder.done(ASKED)


def test_a_missing_or_changed_product_is_noticed(folder: RunFolder, tmp_path: Path) -> None:
    folder.logits("xnli").write_bytes(b"12345")
    assert not done(tmp_path)
    folder.logits("xnli").write_bytes(b"1234")
    assert done(tmp_path)
    folder.logits("xnli").unlink()
    assert not done(tmp_path)


@pytest.mark.parametrize("kept", [7, {"covers": True, "products": ["x"]}, {"covers": True}, {"products": {}}])
def test_what_is_remembered_in_another_form_is_read_again(folder: RunFolder, tmp_path: Path, kept: Any) -> None:
    path = tmp_path / "cache" / "done.json"
    (key,) = read_record(path)
    write_json(path, {key: kept})
    assert done(tmp_path)
    assert read_record(path) == {key: {"covers": True, "products": {"logits/xnli.h5": 4}}}


def test_a_memory_that_cannot_be_written_again_is_started_anew(folder: RunFolder, tmp_path: Path) -> None:
    path = tmp_path / "cache" / "done.json"
    path.write_text('{"\\ud800": 7}')
    assert done(tmp_path) and not path.exists()
    assert done(tmp_path) and len(read_record(path)) == 1


def test_a_deleted_or_new_record_is_noticed(folder: RunFolder, tmp_path: Path) -> None:
    folder.commit({}, [], Request((), "data"))
    assert not done(tmp_path)
    folder.done_json.unlink()
    assert not done(tmp_path)


def test_a_damaged_record_commits_nothing(folder: RunFolder, tmp_path: Path) -> None:
    folder.done_json.write_text("{", encoding="utf-8")
    assert not done(tmp_path)


def test_a_larger_request_is_another_question(folder: RunFolder, tmp_path: Path) -> None:
    assert not done(tmp_path, Request((Prediction("xnli", "test", {"en": "1", "de": "2"}),), "data"))
    assert not done(tmp_path, Request(ASKED.predictions, "data", keep_encoder=True))
    assert done(tmp_path)


def test_a_root_that_may_only_be_read_is_no_obstacle(folder: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "cache" / "done.json").unlink()
    (tmp_path / "cache").rmdir()
    (tmp_path / "cache").write_text("in the way", encoding="utf-8")
    assert done(tmp_path)
