"""Small grids with logits on disk, whose scores are chosen by hand."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from xstilts_hpc.logits import Header, Logits, SequenceLogits, SpanLogits, TokenLogits, write_logits
from xstilts_hpc.plan import Cell, Excluded, GridFolder, Plan, PlannedRun, Stage, cells_digest, grid_folder
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.run import ModelSource, Prediction, Request, Run
from xstilts_hpc.run_folder import RunFolder, run_folder
from xstilts_hpc.tasks import task_of
from xstilts_hpc.training import training_on

MODEL = ModelSource(path="model", digest="ab" * 32)
Right = Mapping[str, int]


def sequence_logits(right: int, examples: int = 10, labels: int = 3) -> SequenceLogits:
    """Give logits of a sequence task with so many right answers; gold goes round the labels."""
    gold = np.arange(examples) % labels
    predicted = np.where(np.arange(examples) < right, gold, (gold + 1) % labels)
    logits = np.eye(labels, dtype=np.float32)[predicted]
    return SequenceLogits(tuple(f"e{i}" for i in range(examples)), logits, gold.astype(np.int64))


def span_logits() -> SpanLogits:
    """Give one question on "a red house" whose gold is "red house" and whose best span is "red": EM 0, F1 2/3."""
    return SpanLogits(
        example_id=("q",),
        start_logits=np.array([0, 9, 0], dtype=np.float32),
        end_logits=np.array([0, 9, 0], dtype=np.float32),
        first_token=np.array([0, 3]),
        offsets=np.array([[0, 1], [2, 5], [6, 11]]),
        max_context=np.ones(3, dtype=np.int64),
        null_logits=np.zeros((1, 2), dtype=np.float32),
        feature_example=np.array([0]),
        example_context=np.array([0]),
        contexts=("a red house",),
        answers=('[{"text": "red house", "start": 2}]',),
    )


def token_logits() -> TokenLogits:
    """Give one sentence of three words, B-LOC O B-PER, in which every word is tagged O."""
    logits = np.zeros((3, 7), dtype=np.float32)
    logits[:, 6] = 1
    return TokenLogits(("s",), logits, np.array([0, 3]), np.array([0, 6, 2]))


@dataclass
class GridBuilder:
    """Builds a plan cell by cell, with or without finished runs."""

    root: Path
    name: str = "small"
    question: str = "Does size matter?"
    data: str = "data"
    split_of: dict[str, str] = field(default_factory=lambda: {"mnli": "dev"})
    absent: dict[str, tuple[str, ...]] = field(default_factory=dict)
    runs: dict[str, PlannedRun] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)

    def run(self, task: str, seed: int, logits: Mapping[str, Mapping[str, Logits]], parent: str = "") -> str:
        """Add a finished run with the logits of each task by language; return its id."""
        run = self.planned(task, seed, {name: tuple(by_language) for name, by_language in logits.items()}, parent)
        folder, request = run_folder(self.root, run), self.runs[run].request
        folder.prepare(self.runs[run].run, request)
        for prediction in request.predictions:
            written = {code: (logits[prediction.task][code], digest) for code, digest in prediction.data.items()}
            header = Header(run, prediction.task, _kind(prediction.task), prediction.split, "model", "code 1", "today")
            write_logits(folder.logits(prediction.task), header, written)
        folder.commit({}, [folder.logits(prediction.task) for prediction in request.predictions], request)
        return run

    def planned(self, task: str, seed: int, asks: Mapping[str, Iterable[str]], parent: str = "") -> str:
        """Add a run that has left nothing; return its id."""
        training = training_on(task, "digest", train_seed=seed)
        run = Run(MODEL, training, Recipe(), parent, parent and "parent")
        predictions = tuple(
            Prediction(name, self.split_of.get(name, "test"), {code: f"{name}-{code}" for code in codes})
            for name, codes in asks.items()
        )
        stage = Stage.TARGET if parent else Stage.INTERMEDIATE
        self.runs[run.id] = PlannedRun(run, stage, Request(predictions, self.data))
        return run.id

    def cell(self, run: str, target: str, *, size: int = 0, seeds: tuple[int, int, int] = (-1, -1, 0)) -> Cell:
        """Add a cell: of the baseline where size is 0, else of MNLI."""
        name, schedule = ("mnli", "equal_epochs") if size else ("none", "")
        cell = Cell(name, size, size == 1000, "", schedule, *seeds, target, run)
        self.cells.append(cell)
        return cell

    def exclude(self, cell: Cell, reason: str) -> None:
        """Take a cell out of the grid."""
        self.cells.remove(cell)
        self.excluded.append(Excluded(cell, reason))

    def plan(self) -> Plan:
        """Return the plan so far."""
        cells, excluded = tuple(self.cells), tuple(self.excluded)
        described = self.name, self.question, self.data
        return Plan(*described, self.runs, cells, excluded, self.absent, cells_digest(cells))

    def folder(self, number: int) -> RunFolder:
        """Return the folder of the run of the cell with this number."""
        return run_folder(self.root, self.cells[number].run)

    def want_other_data(self, number: int, language: str) -> None:
        """Let the plan ask for another version of one language's data than was predicted."""
        planned = self.runs[self.cells[number].run]
        (prediction,) = planned.request.predictions
        changed = replace(prediction, data={**prediction.data, language: "another"})
        self.runs[planned.run.id] = replace(planned, request=replace(planned.request, predictions=(changed,)))

    def save(self) -> GridFolder:
        """Write the plan; return the grid's folder."""
        folder = grid_folder(self.root, self.name)
        self.plan().save(folder.plan)
        return folder


def _kind(task: str) -> str:
    return str(task_of(task).kind)


@pytest.fixture
def builder(tmp_path: Path) -> GridBuilder:
    """Give an empty grid under a fresh root."""
    return GridBuilder(tmp_path)


@pytest.fixture
def sequence() -> Callable[..., SequenceLogits]:
    """Give the function that makes logits with so many right answers."""
    return sequence_logits


@pytest.fixture
def span() -> SpanLogits:
    """Give span logits that score EM 0 and F1 2/3."""
    return span_logits()


@pytest.fixture
def tokens() -> TokenLogits:
    """Give token logits that find nothing."""
    return token_logits()


@pytest.fixture
def xnli_run(builder: GridBuilder) -> Callable[[int, Right], str]:
    """Give a function that adds a finished run on XNLI: seed, and right answers of ten by language."""

    def add(seed: int, right: Right) -> str:
        return builder.run("mnli", seed, {"xnli": {code: sequence_logits(n) for code, n in right.items()}})

    return add


@pytest.fixture
def small(builder: GridBuilder, xnli_run: Callable[[int, Right], str]) -> GridBuilder:
    """Give a grid of two target seeds: baseline en 50 %, sw 30 and 40 %; MNLI with 100 examples 20 and 10 more."""
    for seed, sw, gain in ((0, 3, 2), (1, 4, 1)):
        builder.cell(xnli_run(seed, {"en": 5, "sw": sw}), "xnli", seeds=(-1, -1, seed))
        trained = xnli_run(seed + 10, {"en": 5 + gain, "sw": sw + gain})
        builder.cell(trained, "xnli", size=100, seeds=(0, 0, seed))
    builder.save()
    return builder
