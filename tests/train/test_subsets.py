"""Subsets as runs draw them: shares by label and genre, whole paragraphs, the same in every process, and on record."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from tests.tiny import grid_text
from xstilts_hpc.cluster.explain import explain
from xstilts_hpc.data.encode import Encoder
from xstilts_hpc.expand import expand
from xstilts_hpc.files import Memory, read_json
from xstilts_hpc.grid import load_grid
from xstilts_hpc.machine import Machine
from xstilts_hpc.model.encoder import load_tokenizer
from xstilts_hpc.plan import Plan, PlannedRun, grid_folder
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.run_folder import run_folder
from xstilts_hpc.tasks import task_of
from xstilts_hpc.tasks.base import Split, stratum
from xstilts_hpc.tasks.folder import DataFolder
from xstilts_hpc.train.execute import execute
from xstilts_hpc.train.training_set import chosen_subsets, read_training_set
from xstilts_hpc.training import PARAGRAPHS, Part, Training

LABELS = ("contradiction", "entailment", "neutral")
GENRES = {"fiction": 30, "travel": 12, "slate": 6}  # rows of each genre for every label


def write_mnli(data: Path) -> None:
    """Write 144 pairs: each genre has its number of rows with each label."""
    rows = [(genre, label) for genre, number in GENRES.items() for label in LABELS for _ in range(number)]
    lines = ["\t".join([str(i), "", "", g, *[""] * 4, f"a {i}", "b", "", label]) for i, (g, label) in enumerate(rows)]
    header = ["index", "promptID", "pairID", "genre", *(f"c{i}" for i in range(7)), "gold_label"]
    (data / "MNLI" / "train.tsv").write_text("\n".join(["\t".join(header), *lines]) + "\n")


def write_hellaswag(data: Path) -> None:
    """Write 40 passages: 24 of ActivityNet, 16 of WikiHow, each label as often in both."""
    rows = [
        {"ctx_a": f"p {i}", "ctx_b": "", "endings": list("abcd"), "label": i % 4, "source_id": f"{source}~v_{i}"}
        for i, source in enumerate(["activitynet"] * 24 + ["wikihow"] * 16)
    ]
    (data / "hellaswag_train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_squad(data: Path, version: str) -> None:
    """Write six paragraphs of 1 to 6 questions; in version 2.0 every third question has no answer."""
    paragraphs = []
    for number in range(1, 7):
        context, qas = f"text {number} is here", []
        for i in range(number):
            impossible = version == "v2.0" and i % 3 == 2
            answers = [] if impossible else [{"text": "text", "answer_start": 0}]
            qas.append({"id": f"{number}-{i}", "question": "q?", "answers": answers, "is_impossible": impossible})
        paragraphs.append({"context": context, "qas": qas})
    (data / "squad" / f"train-{version}.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))


@pytest.fixture
def root(tiny_root: Path) -> Path:
    write_mnli(tiny_root / "data")
    write_hellaswag(tiny_root / "data")
    for version in ("v1.1", "v2.0"):
        write_squad(tiny_root / "data", version)
    return tiny_root


def ids_of(root: Path, name: str, size: int, *, seed: int = 0, drawn: str = "") -> tuple[str, ...]:
    """Return the ids of the examples that a run trains on."""
    data = DataFolder(root / "data", Memory(root / "memory.json"))
    encoder = Encoder(
        load_tokenizer(str(root / "models" / "tiny")), Recipe(max_length=64, max_query_length=16), root / "cache"
    )
    part = Part(name, data.training_digest(task_of(name), ("en",)), size, drawn=drawn)
    return read_training_set(Training((part,), seed, 0), data, encoder).parts[0].ids


def strata_of(root: Path, name: str) -> dict[str, str]:
    data = DataFolder(root / "data", Memory(root / "memory.json"))
    task = task_of(name)
    return {example.id: stratum(task, example) for example in data.locate(task, Split.TRAIN).examples()}


@pytest.mark.parametrize(
    ("name", "number", "strata"),
    [("mnli", 144, 9), ("hellaswag", 40, 8), ("squad_v2", 21, 2), ("squad_v1", 21, 1)],
)
def test_every_stratum_has_its_share_at_every_size_and_subsets_are_nested(
    root: Path, name: str, number: int, strata: int
) -> None:
    of = strata_of(root, name)
    whole = Counter(of.values())
    assert (len(of), len(whole)) == (number, strata)
    chosen = [ids_of(root, name, size) for size in range(1, number + 1)]
    for size, ids in enumerate(chosen, start=1):
        found = Counter(of[i] for i in ids)
        assert len(ids) == size
        assert all(abs(found[key] - size * count / number) < 1 for key, count in whole.items())
    assert all(set(small) < set(large) for small, large in pairwise(chosen))


def test_mnli_is_stratified_by_label_and_genre_and_hellaswag_by_label_and_source(root: Path) -> None:
    of = strata_of(root, "mnli")
    assert Counter(of[i] for i in ids_of(root, "mnli", 24)) == {
        f"{label} {genre}": number // 6 for label in LABELS for genre, number in GENRES.items()
    }
    assert set(strata_of(root, "hellaswag").values()) == {
        f"{i} {s}" for i in range(4) for s in ("activitynet", "wikihow")
    }
    answered = Counter(strata_of(root, "squad_v2").values())
    assert answered == {"answerable": 16, "unanswerable": 5}


def test_whole_paragraphs_are_taken_on_request(root: Path) -> None:
    for size in range(6, 22):
        ids = ids_of(root, "squad_v1", size, drawn=PARAGRAPHS)
        questions = Counter(i.partition("-")[0] for i in ids)
        assert 1 <= len(ids) <= size
        assert all(number == int(paragraph) for paragraph, number in questions.items())
    assert len(ids_of(root, "squad_v1", 21, drawn=PARAGRAPHS)) == 21


def test_another_process_draws_the_same_subset(root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.train.test_subsets import ids_of;"
        "root = Path(sys.argv[1]); drawn = [('mnli', ''), ('squad_v1', ''), ('squad_v1', 'paragraphs')];"
        "print([ids_of(root, name, 12, seed=5, drawn=by) for name, by in drawn])"
    )
    here = [
        ids_of(root, name, 12, seed=5, drawn=by)
        for name, by in (("mnli", ""), ("squad_v1", ""), ("squad_v1", PARAGRAPHS))
    ]
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        answer = subprocess.run(
            [sys.executable, "-c", code, str(root)], capture_output=True, text=True, env=environment, check=True
        )
        assert answer.stdout.splitlines()[-1] == str(here)
    assert ids_of(root, "mnli", 12, seed=6) != here[0]


def plan_of(root: Path, intermediate: str) -> Plan:
    path = root / "grid.yaml"
    path.write_text(grid_text(intermediate=intermediate, target="{task: tatoeba}"))
    return expand(load_grid(path), root=root)


def trainings(plan: Plan) -> list[PlannedRun]:
    return [planned for planned in plan.runs.values() if planned.run.training]


def test_paragraphs_make_another_run_with_a_name_and_a_row_of_its_own(root: Path) -> None:
    entries = "[{task: squad_v1, size: [9, full]}, {task: squad_v1, size: [9, full], subset: paragraphs}]"
    found = [planned.run.training for planned in trainings(plan_of(root, entries))]
    assert [(t.name, t.variant) for t in found if t] == [
        ("squad_v1_9_d0_s0", ""),
        ("squad_v1_full_s0", ""),  # a whole set is the same however it is drawn
        ("squad_v1_paragraphs_9_d0_s0", "whole paragraphs"),
    ]


def test_how_a_subset_is_drawn_enters_an_id_only_where_it_is_not_by_label(root: Path) -> None:
    entries = "[{task: [mnli, squad_v2, hellaswag], size: [4, full]}, {task: squad_v2, size: 5, subset: paragraphs}]"
    parts = [
        run.describe()["training"]["parts"][0] for run in (planned.run for planned in trainings(plan_of(root, entries)))
    ]
    assert [(part["task"], part["size"], part.get("drawn")) for part in parts] == [
        *(("mnli", 4, "genre"), ("mnli", 0, None)),
        *(("squad_v2", 4, None), ("squad_v2", 0, None), ("hellaswag", 4, "source"), ("hellaswag", 0, None)),
        ("squad_v2", 5, "paragraphs"),
    ]


def test_the_digest_of_the_ids_is_on_record_and_why_shows_it(root: Path) -> None:
    plan = plan_of(root, "[{task: mnli, size: 12}]")
    plan.save(grid_folder(root, plan.name).plan)
    (planned,) = trainings(plan)
    folder = run_folder(root, planned.run.id)
    folder.prepare(planned.run, planned.request)
    execute(root, planned.run.id, Machine(zero_stage=0, threads=1), alone=True)
    text = "".join(f"{name}\n" for name in ids_of(root, "mnli", 12))
    wanted = {"mnli": {"examples": 12, "ids_sha256": hashlib.sha256(text.encode()).hexdigest()}}
    assert read_json(folder.done_json)["subsets"] == wanted
    assert folder.attempts()[0]["subsets"] == wanted
    line = f"  subset of mnli: 12 examples, SHA-256 of their ids {wanted['mnli']['ids_sha256']}"
    assert line in list(explain(planned.run.id, root).lines())


def test_the_digest_differs_between_subsets_and_a_whole_set_has_none(root: Path) -> None:
    data = DataFolder(root / "data", Memory(root / "memory.json"))
    encoder = Encoder(load_tokenizer(str(root / "models" / "tiny")), Recipe(max_length=64), root / "cache")
    digest = data.training_digest(task_of("mnli"), ("en",))

    def subsets(size: int, seed: int) -> object:
        training = Training((Part("mnli", digest, size),), seed, 0)
        return chosen_subsets(read_training_set(training, data, encoder)).get("mnli", {}).get("ids_sha256")

    assert subsets(12, 0) == subsets(12, 0)
    assert len({subsets(12, 0), subsets(13, 0), subsets(12, 1)}) == 3
    assert subsets(0, 0) is None


@pytest.mark.shared
def test_genres_and_sources_are_read_from_the_publishers_files(shared_data: Path) -> None:
    data = DataFolder(shared_data, Memory(Path()))

    def groups(name: str, split: Split) -> set[str]:
        rows = data.locate(task_of(name), split).examples()
        return {stratum(task_of(name), example).partition(" ")[2] for example in rows}

    assert groups("mnli", Split.TRAIN) == {"fiction", "government", "slate", "telephone", "travel"}
    assert groups("hellaswag", Split.DEV) == {"activitynet", "wikihow"}
