"""A run's identity, and what its folder says of it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from xstilts_hpc.errors import RunError
from xstilts_hpc.files import partial_of
from xstilts_hpc.machine import Machine
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.run import ModelSource, Prediction, Request, Run
from xstilts_hpc.run_folder import RunFolder, run_folder
from xstilts_hpc.training import Part, Sampling, Training, training_on

MODEL = ModelSource(path="models/tiny", digest="m1")
TRAINING = training_on("mnli", "d1", size=100, data_seed=0, train_seed=1)
RUN = Run(MODEL, TRAINING, Recipe())
READING = Run(MODEL, None, Recipe())
XNLI = Prediction("xnli", "test", {"de": "x1", "sw": "x2"})


def recipe_with(name: str) -> Recipe:
    value = getattr(Recipe(), name)
    return Recipe().with_changes({name: "cls" if isinstance(value, str) else value + 1})


def committed(path: Path, request: Request) -> RunFolder:
    """Return the folder of a run with one product of three bytes."""
    folder = RunFolder(path)
    folder.prepare(RUN, request)
    product = folder.logits("xnli")
    product.parent.mkdir()
    product.write_bytes(b"abc")
    folder.commit({"xnli": {"de": {"accuracy": 0.5}}}, [product], request)
    return folder


@pytest.mark.parametrize(
    ("run", "name"),
    [
        (RUN, "mnli_100_d0_s1"),
        (Run(MODEL, training_on("mnli", "d1", train_seed=1), Recipe()), "mnli_full_s1"),
        (READING, "encoder"),
        (Run(MODEL, TRAINING, Recipe(), RUN.id, RUN.name), "mnli_100_d0_s1_after_mnli_100_d0_s1"),
    ],
)
def test_an_id_is_a_readable_name_and_ten_digits(run: Run, name: str) -> None:
    assert run.id.rpartition("-")[0] == name
    assert len(run.id.rpartition("-")[2]) == 10


def test_the_id_of_a_run_stays_over_versions_of_the_code() -> None:
    # A change here makes every finished run of a user another run: intended only with a new default or a new METHOD.
    assert RUN.id == "mnli_100_d0_s1-1cdb5fa058"
    assert READING.id == "encoder-af88c02933"


def test_where_a_model_lies_does_not_matter_but_its_weights_do() -> None:
    moved = dataclasses.replace(MODEL, path="elsewhere/tiny")
    assert Run(moved, TRAINING, Recipe()).id == RUN.id
    assert Run(dataclasses.replace(MODEL, digest="m2"), TRAINING, Recipe()).id != RUN.id


def test_a_hub_model_is_its_id_and_its_revision() -> None:
    models = [ModelSource(id=i, revision=r) for i in ("a/x", "a/y") for r in ("1", "2")]
    assert len({Run(model, TRAINING, Recipe()).id for model in models}) == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "snli"},
        {"data": "d2"},
        {"size": 101},
        {"languages": ("de",)},
        {"parts": (*TRAINING.parts, Part("qqp", "d1"))},
        {"data_seed": 1},
        {"train_seed": 2},
        {"sampling": Sampling(0.0)},
        {"sampling": Sampling(1.0, 5)},
        {"parts": (*TRAINING.parts, Part("mlm", "d2")), "mlm_weight": 0.5},
    ],
    ids=str,
)
def test_every_field_of_the_training_set_makes_another_run(changes: dict[str, Any]) -> None:
    of_part = {name: changes.pop(name) for name in ("task", "data", "size", "languages") if name in changes}
    parts = (dataclasses.replace(TRAINING.parts[0], **of_part),)
    changed = dataclasses.replace(TRAINING, **{"parts": parts, **changes})
    assert Run(MODEL, changed, Recipe()).id != RUN.id


def test_a_run_of_several_tasks_comes_back_from_its_file() -> None:
    parts = (Part("mnli", "d1", 100), Part("qqp", "d2"), Part("mlm", "d3", 0, ("de", "sw")))
    run = Run(MODEL, Training(parts, 0, 1, Sampling(0.5, 1000), 0.25), Recipe())
    assert Run.from_json(json.loads(json.dumps(run.to_json()))) == run
    assert run.name == "mixture2_mlm_100_d0_s1"


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Recipe)])
def test_every_hyperparameter_that_matters_makes_another_run(name: str) -> None:
    retrieval = name in ("retrieval_layer_fraction", "pooling")
    reading = retrieval or name in ("max_length", "doc_stride", "max_query_length")
    assert (Run(MODEL, TRAINING, recipe_with(name)).id != RUN.id) == (not retrieval)
    assert (Run(MODEL, None, recipe_with(name)).id != READING.id) == reading


def test_a_parent_makes_another_run() -> None:
    assert len({Run(MODEL, TRAINING, Recipe(), parent).id for parent in ("", "p1", "p2")}) == 3


def test_settings_of_the_machine_are_no_part_of_the_description() -> None:
    text = json.dumps([RUN.to_json(), Request((XNLI,)).to_json()])
    assert not [field.name for field in dataclasses.fields(Machine) if f'"{field.name}"' in text]


@pytest.mark.parametrize("run", [RUN, READING, Run(MODEL, TRAINING, Recipe(), RUN.id, RUN.name)])
def test_a_run_is_read_back_as_it_was_written(tmp_path: Path, run: Run) -> None:
    folder = run_folder(tmp_path, run.id)
    folder.prepare(run, Request((XNLI,), "data", keep_encoder=True))
    assert folder.path == tmp_path / "runs" / run.id
    assert (folder.run(), folder.run().id) == (run, run.id)
    assert folder.request() == Request((XNLI,), "data", keep_encoder=True)


@pytest.mark.parametrize(("part", "name", "value"), [("recipe", "epochs", 9), ("training", "train_seed", 5)])
def test_an_edited_description_is_refused(tmp_path: Path, part: str, name: str, value: Any) -> None:
    folder = RunFolder(tmp_path)
    folder.prepare(RUN, Request(()))
    content = json.loads(folder.run_json.read_text())
    content[part][name] = value
    folder.run_json.write_text(json.dumps(content))
    with pytest.raises(RunError, match=rf"run {RUN.id}: its description gives id mnli.*; it was edited"):
        folder.run()


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    RunFolder(tmp_path).prepare(RUN, Request(()))
    with pytest.raises(RunError, match=r"run.json describes another run than encoder-.*; move the folder away"):
        RunFolder(tmp_path).prepare(READING, Request(()))


def test_an_empty_folder_belongs_to_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no run.json, so no run was prepared here; submit its grid"):
        RunFolder(tmp_path).run()


def test_preparing_again_changes_no_file(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.prepare(RUN, Request((XNLI,), "data"))
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in tmp_path.iterdir()}
    folder.prepare(RUN, Request((XNLI,), "data"))
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in tmp_path.iterdir()} == before
    assert sorted(path.name for path in before) == ["request.json", "run.json"]


def test_a_request_grows_by_what_another_grid_asks() -> None:
    first = Request((XNLI,), "data")
    second = Request((Prediction("xnli", "test", {"sw": "new", "zh": "x3"}), Prediction("mnli", "dev", {"en": "y"})))
    assert first.union(second) == Request(
        (
            Prediction("xnli", "test", {"de": "x1", "sw": "new", "zh": "x3"}),
            Prediction("mnli", "dev", {"en": "y"}),
        ),
        "data",
    )
    assert Request(()).union(Request((), "data", keep_encoder=True)) == Request((), "data", keep_encoder=True)
    assert first.union(first) == first


def test_a_union_changes_neither_request() -> None:
    first = Request((Prediction("xnli", "test", {"de": "x1"}),))
    first.union(Request((Prediction("xnli", "test", {"sw": "x2"}),)))
    assert first == Request((Prediction("xnli", "test", {"de": "x1"}),))


@pytest.mark.parametrize(
    ("wanted", "done"),
    [
        (Request((XNLI,)), True),
        (Request((Prediction("xnli", "test", {"sw": "x2"}),)), True),
        (Request(()), True),
        (Request((Prediction("xnli", "test", {"sw": "new"}),)), False),
        (Request((Prediction("xnli", "test", {"zh": "x3"}),)), False),
        (Request((Prediction("xnli", "dev", {"sw": "x2"}),)), False),
        (Request((Prediction("mnli", "test", {"sw": "x2"}),)), False),
        (Request((XNLI,), keep_encoder=True), False),
    ],
)
def test_a_run_is_done_when_its_record_covers_what_is_asked(tmp_path: Path, wanted: Request, done: bool) -> None:
    assert committed(tmp_path, Request((XNLI,))).done(wanted) is done


def test_a_run_without_a_record_is_not_done(tmp_path: Path) -> None:
    folder = committed(tmp_path, Request((XNLI,)))
    folder.done_json.unlink()
    assert not folder.done(Request(()))


@pytest.mark.parametrize("content", [b"ab", b"abcd", None])
def test_a_product_of_another_size_or_none_is_not_done(tmp_path: Path, content: bytes | None) -> None:
    folder = committed(tmp_path, Request((XNLI,)))
    folder.logits("xnli").unlink()
    if content is not None:
        folder.logits("xnli").write_bytes(content)
    assert not folder.done(Request((XNLI,)))


def test_verifying_finds_a_flipped_byte(tmp_path: Path) -> None:
    folder = committed(tmp_path, Request((XNLI,)))
    assert folder.done(Request((XNLI,)), verify=True)
    folder.logits("xnli").write_bytes(b"abb")
    assert folder.done(Request((XNLI,)))
    assert not folder.done(Request((XNLI,)), verify=True)


def test_the_record_holds_the_run_its_scores_and_its_products(tmp_path: Path) -> None:
    folder = committed(tmp_path, Request((XNLI,)))
    record = json.loads(folder.done_json.read_text())
    assert record["run"] == RUN.id
    assert [(p["path"], p["bytes"]) for p in record["files"]] == [("logits/xnli.h5", 3)]
    assert folder.scores() == {"xnli": {"de": {"accuracy": 0.5}}}


def test_a_run_prepared_for_more_is_no_longer_done(tmp_path: Path) -> None:
    folder = committed(tmp_path, Request((XNLI,)))
    folder.prepare(RUN, Request((), keep_encoder=True))
    assert not folder.done(folder.request())
    assert folder.done(Request((XNLI,)))


def test_attempts_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.provenance(1).parent.mkdir()
    for attempt in (10, 2, 1):
        folder.provenance(attempt).write_text(json.dumps({"n": attempt}))
    assert [record["n"] for record in folder.attempts()] == [1, 2, 10]


def test_the_number_of_updates_follows_from_epochs_or_is_given() -> None:
    assert Recipe(batch_size=32, epochs=3).num_steps(100) == 10
    assert Recipe(batch_size=32, epochs=3, min_steps=50).num_steps(100) == 50
    assert Recipe(batch_size=32, epochs=3, steps=7, min_steps=50).num_steps(100) == 7


def test_what_killed_writers_left_of_logits_goes(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    whole = folder.logits("xnli")
    whole.parent.mkdir()
    for path in (whole, partial_of(whole)):
        path.write_bytes(b"logits")
    folder.remove_leftovers()
    assert list(whole.parent.iterdir()) == [whole]
    RunFolder(tmp_path / "nowhere").remove_leftovers()
