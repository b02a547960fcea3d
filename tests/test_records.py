"""Records of another form than this version writes: one readable error, whatever they hold (found by fuzzing)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.records import RECORDS
from xstilts_hpc.errors import RunError
from xstilts_hpc.files import Memory, made_of, read_json, read_record
from xstilts_hpc.finished import Finished
from xstilts_hpc.lease import UNKNOWN, hold, seems_held
from xstilts_hpc.plan import Cell
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.run import Prediction, Request
from xstilts_hpc.run_folder import RunFolder

DEEP = "[" * 100_000 + "]" * 100_000


def put(value: Any, *keys: Any) -> Callable[[Any], Any]:
    """Return what replaces a part of a JSON value."""

    def change(tree: Any) -> Any:
        *outer, last = keys
        holder = tree
        for key in outer:
            holder = holder[key]
        holder[last] = value
        return tree

    return change


DAMAGE: list[tuple[str, Callable[[Any], Any], str]] = [
    ("run", lambda tree: [], "expected a JSON object, found list"),
    ("run", lambda tree: {**tree, "id": tree.pop("name", None)}, "its description gives id"),
    ("run", lambda tree: {key: tree[key] for key in tree if key != "id"}, "not the description of a run"),
    ("run", put("x", "recipe", "learning_rate"), "not the description of a run.*could not convert"),
    ("run", put(10**400, "recipe", "epochs"), "not the description of a run"),
    ("run", put(2.5, "recipe", "batch_size"), "batch_size is 2.5, expected int"),
    ("run", put([1], "training"), "not the description of a run"),
    ("request", put(["d"], "predictions", 0, "data"), r"data is \['d'\], expected a digest by language"),
    ("request", put(None, "predictions", 0, "task"), "task is None, expected str"),
    ("request", put(1, "keep_encoder"), "keep_encoder is 1, expected bool"),
    ("done", lambda tree: None, "expected a JSON object, found NoneType"),
    ("done", put(None, "scores"), "damaged .scores are None"),
    ("attempt", lambda tree: 7, "expected a JSON object, found int"),
    ("plan", lambda tree: [tree], "expected a JSON object, found list"),
    ("plan", put([], "absent"), "not a plan .*absent or left_out hold no lists"),
    ("plan", put("nowhere", "cells", 0, "run"), "not a plan .*cells of run nowhere, which it does not have"),
    ("plan", put("ten", "cells", 0, "size"), "not a plan .*size is 'ten', expected int"),
    ("plan", put(7, "name"), "not a plan .*name is 7, expected str"),
    ("submission", lambda tree: None, "expected a JSON object, found NoneType"),
    ("submission", put(None, "arrays"), "not a submission .TypeError"),
    ("submission", put({"threads": "2"}, "machine"), "threads is .2., expected int"),
    ("submission", put([[1]], "arrays", 0, "packs"), "a run is 1, expected its id"),
]


@pytest.mark.parametrize(("name", "change", "message"), DAMAGE)
def test_a_record_of_another_form_is_one_error(
    tmp_path: Path, name: str, change: Callable[[Any], Any], message: str
) -> None:
    _, place, valid, read = RECORDS[name]
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text(json.dumps(change(json.loads(valid))))
    with pytest.raises(RunError, match=message):
        read(tmp_path)


def test_json_that_is_nested_too_deeply_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(DEEP)
    for read in (read_json, read_record):
        with pytest.raises(RunError, match=r"x.json: not valid JSON \(nested too deeply\); delete it and repeat"):
            read(tmp_path / "x.json")
    assert Memory(tmp_path / "x.json").recall("k", int, lambda: 7) == 7


def test_a_lease_that_is_nested_too_deeply_is_somebodys(tmp_path: Path) -> None:
    (tmp_path / "LEASE").write_text(DEEP)
    assert seems_held(tmp_path / "LEASE") == UNKNOWN
    with hold(tmp_path / "OTHER") as lease:
        assert lease.is_held()


@pytest.mark.parametrize("step", ["x", None, 1e400, [], {}])
def test_a_marker_of_a_checkpoint_that_cannot_be_read_is_no_progress(tmp_path: Path, step: Any) -> None:
    folder = RunFolder(tmp_path)
    folder.checkpoints.mkdir()
    (folder.checkpoints / "CURRENT.json").write_text(json.dumps({"slot": "a", "step": step}))
    assert folder.progress(Request(())) == [0, 0]


@pytest.mark.parametrize("path", ["a\0b", "\ud800", "x" * 5000, 7, None, {}])
def test_a_commit_record_with_an_impossible_path_commits_nothing(tmp_path: Path, path: Any) -> None:
    folder = RunFolder(tmp_path / "runs" / "r")
    request = Request((Prediction("xnli", "test", {"en": "d"}),))
    files = [{"path": path, "bytes": 0, "sha256": ""}]
    folder.path.mkdir(parents=True)
    folder.done_json.write_text(json.dumps({"files": files, **request.to_json()}))
    assert not folder.done(request)
    assert not folder.done(request, verify=True)
    assert not Finished(tmp_path).done("r", request)


def test_plain_values_are_checked_and_whole_numbers_pass_for_others() -> None:
    assert made_of(Recipe, {"epochs": 2}).epochs == 2.0
    texts, seeds = ("intermediate", "variant", "schedule", "target", "run"), ("data_seed", "train_seed", "target_seed")
    with pytest.raises(TypeError, match="full is 1, expected bool"):
        made_of(Cell, {**dict.fromkeys(texts, ""), **dict.fromkeys(seeds, 0), "size": 0, "full": 1})
