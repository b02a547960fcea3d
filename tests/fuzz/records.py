"""Valid files that say what is asked and what was done, and what reads them; a new one is one more line in RECORDS."""

import json
from collections.abc import Callable
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ruamel.yaml import YAML

from tests.fuzz.verbs import ATTEMPT
from tests.tiny import grid_text
from xstilts_hpc.cluster.attempts import Attempts
from xstilts_hpc.cluster.profile import describe, load_profile
from xstilts_hpc.cluster.submission import Submission, SubmittedArray, read_submission
from xstilts_hpc.finished import Finished
from xstilts_hpc.grid import load_grid
from xstilts_hpc.lease import Holder, seems_held
from xstilts_hpc.machine import Machine
from xstilts_hpc.plan import Cell, Excluded, Plan, PlannedRun, Stage, load_plan
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.results.kept import kept
from xstilts_hpc.results.rows import LogitsJob, score_file
from xstilts_hpc.run import ModelSource, Prediction, Request, Run
from xstilts_hpc.run_folder import CURRENT, RunFolder, run_folder
from xstilts_hpc.tasks.fetched import (
    IMPORTED,
    PUBLISHED,
    Fetched,
    FetchedFile,
    check_fetched,
    read_fetched,
    sources_path,
    with_record,
    write_fetched,
)
from xstilts_hpc.training import Part, Sampling, Training, training_on

_MODEL = ModelSource(path="models/tiny", digest="m")
_PARTS = (Part("mnli", "d", 10, ("en",), "genre"), Part("qqp", "e", 10))
_RUN = Run(_MODEL, Training(_PARTS, 0, 1, Sampling(0.5, 10)), Recipe())
_CHILD = Run(_MODEL, training_on("panx", "p"), Recipe(epochs=2), _RUN.id, _RUN.name)
_PREDICTION = Prediction("xnli", "test", {"en": "d1", "sw": "d2"})
_REQUEST = Request((_PREDICTION,), "data", keep_encoder=True)
_PRODUCT = {"path": "logits/xnli.h5", "bytes": 0, "sha256": "e3b0"}
_GRID = {
    "schema": 1,
    "name": "g",
    "question": "?",
    "model": {"id": "x/y", "revision": "0" * 40},
    "data": "data",
    "intermediate": [
        {"task": "none"},
        {"task": ["mnli", "squad_v1"], "size": [100, "full"]},
        {
            "mixture": ["mnli", "qqp"],
            "sampling": {"temperature": 2, "cap": 5},
            "mlm": {"weight": 0.5, "languages": "sw"},
        },
        {"task": "mnli", "translated": ["de"]},
        {"task": "squad_v2", "size": 10, "subset": "paragraphs"},
    ],
    "target": {"task": "all", "languages": ["en", "sw"], "split": "auto"},
    "seeds": {"data": [0, 1], "train": [0, 1], "target": [0, 1], "pair": True},
    "schedule": ["equal_epochs", "equal_steps"],
    "recipe": {"learning_rate": 1e-5, "steps": 10, "pooling": "cls"},
    "recipe_for": {"squad_v1": {"max_length": 384}, "mixture": {"epochs": 1}},
    "exclude": [{"where": {"task": "mnli", "size": 100, "data_seed": 1}, "reason": "r"}],
}
_PROFILE = {
    "schema": 1,
    "name": "p",
    "kind": "slurm",
    "partition": "gpu",
    "nodes": 2,
    "gpus_per_node": 4,
    "gpu_request": "gres",
    "memory_gb": 100,
    "time_min": 60,
    "requeue": {"node_failed": 5},
    "setup": ["module load x"],
    "environment": {"A": "b", "C": 1},
    "zero_stage": "auto",
    "precision": "bf16",
    "slurm": {"exclude": "n1"},
}


def _block(value: Any) -> bytes:
    """Return a value as YAML in blocks, as people write it."""
    yaml, text = YAML(typ="safe"), BytesIO()
    yaml.default_flow_style = False
    yaml.dump(value, text)
    return text.getvalue()


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _plan() -> bytes:
    """Return a plan of two runs as it is written."""
    cell = Cell("mnli", 10, False, "", "equal_epochs", 0, 1, 0, "panx", _CHILD.id)
    runs = {
        _RUN.id: PlannedRun(_RUN, Stage.INTERMEDIATE, _REQUEST, 10, 5.0, {"xnli": (10, 3.0)}),
        _CHILD.id: PlannedRun(_CHILD, Stage.TARGET, Request((Prediction("panx", "test", {"sw": "d"}),), "data")),
    }
    plan = Plan("g", "?", "data", runs, (cell,), (Excluded(cell, "r"),), {"panx": ("de",)}, "d", {"mnli": ("x:1",)})
    return _as_written(plan.save)


def _submission() -> bytes:
    array = SubmittedArray("target", ((_RUN.id,), (_CHILD.id,)), -1, "", "17", "xs-g-1", 60)
    profile = describe(load_profile("local"))
    return _as_written(
        lambda path: Submission(path.parent, "g", path.parent, profile, Machine(), (array,), "now").write()
    )


def _sources() -> bytes:
    """Return the record of a download and of an import as it is written."""
    file = FetchedFile("e3b0", 0)
    fetched = Fetched(("mnli", "xnli"), "https://x", "d", 9, PUBLISHED, "now", "MIT", {"a.tsv": file, "b/c.tsv": file})
    imported = Fetched(("panx",), "file:///x", "", 0, IMPORTED, "now", "?", {"panx/train": file})
    with TemporaryDirectory() as name:
        write_fetched(Path(name), {"https://x": fetched, "file:///x#panx": imported})
        return sources_path(Path(name)).read_bytes()


def _as_written(write: Callable[[Path], None]) -> bytes:
    """Return what is written to a file that is called submission.json, whoever writes it."""
    with TemporaryDirectory() as name:
        path = Path(name, "submission.json")
        write(path)
        return path.read_bytes()


def _profile(path: Path) -> None:
    profile = load_profile(str(path))
    assert profile.machine() and profile.setup_lines() and describe(profile)


def _folder(root: Path) -> RunFolder:
    return run_folder(root, _RUN.id)


def _run(root: Path) -> None:
    assert _folder(root).run().to_json()


def _request(root: Path) -> None:
    assert _folder(root).request().union(_REQUEST).to_json()


def _done(root: Path) -> None:
    folder = _folder(root)
    for verify in (False, True):
        assert folder.done(_REQUEST, verify=verify) in (False, True)
    assert Finished(root).done(_RUN.id, _REQUEST) in (False, True)
    assert score_file(LogitsJob(_RUN.id, folder, _PREDICTION, kept(root, _RUN.id, _PREDICTION))).problems
    folder.scores()


def _attempts(root: Path) -> None:
    assert len(Attempts(root).of(_RUN.id)) == 1
    assert _folder(root).next_attempt() == 2
    _folder(root).attempts()


def _load_plan(path: Path) -> None:
    plan = load_plan(path)
    assert plan.done(path.parent) == set()
    assert all(planned.run.id == run for run, planned in plan.runs.items())


def _read_submission(path: Path) -> None:
    submission = read_submission(path)
    assert set(submission.elements) <= set(submission.runs)


def _read_fetched(data: Path) -> None:
    for url, record in read_fetched(data).items():
        assert with_record({}, url, record) == {url: record}
        assert all(check_fetched(data, record))


def _in_run(*parts: str) -> str:
    return "/".join(("runs", _RUN.id, *parts))


_HOLDER = Holder("host", "boot", 1, 2, "now", "3")

# Name -> how it is written (see mutations.py), where it lies below a root, its content, and what reads it there.
RECORDS: dict[str, tuple[str, str, bytes, Callable[[Path], Any]]] = {
    "grid": ("yaml", "x.yaml", _json(_GRID), lambda root: load_grid(root / "x.yaml").model_dump()),
    "grid as text": ("block", "x.yaml", grid_text().encode(), lambda root: load_grid(root / "x.yaml").model_dump()),
    "grid in blocks": ("block", "x.yaml", _block(_GRID), lambda root: load_grid(root / "x.yaml").model_dump()),
    "profile": ("yaml", "x.yaml", _json(_PROFILE), lambda root: _profile(root / "x.yaml")),
    "profile in blocks": ("block", "x.yaml", _block(_PROFILE), lambda root: _profile(root / "x.yaml")),
    "run": ("json", _in_run("run.json"), _json(_RUN.to_json()), _run),
    "child": ("json", _in_run("run.json"), _json(_CHILD.to_json()), _run),
    "request": ("json", _in_run("request.json"), _json(_REQUEST.to_json()), _request),
    "done": (
        "json",
        _in_run("DONE.json"),
        _json({"schema": 2, "run": _RUN.id, "files": [_PRODUCT], "scores": {}, "subsets": {}, **_REQUEST.to_json()}),
        _done,
    ),
    "current": (
        "json",
        _in_run("checkpoints", CURRENT),
        _json({"slot": "a", "step": 7}),
        lambda root: _folder(root).progress(_REQUEST),
    ),
    "attempt": ("json", _in_run("provenance", "1.json"), _json(ATTEMPT), _attempts),
    "plan": ("json", "plan.json", _plan(), lambda root: _load_plan(root / "plan.json")),
    "submission": ("json", "submission.json", _submission(), lambda root: _read_submission(root / "submission.json")),
    "sources": ("json", "SOURCES.json", _sources(), _read_fetched),
    "lease": ("json", "LEASE", _json(asdict(_HOLDER)), lambda root: seems_held(root / "LEASE")),
}
