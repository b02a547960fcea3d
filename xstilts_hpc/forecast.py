"""What a plan will cost: GPU-hours from arithmetic and the speed of finished runs; bytes and files."""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xstilts_hpc.cost import FEWEST, Sample, Took, median_tflops, speeds_of, took
from xstilts_hpc.errors import GridError, RunError
from xstilts_hpc.examples import Kind
from xstilts_hpc.families import check_config, whole_number
from xstilts_hpc.memory_rule import Trained
from xstilts_hpc.model_files import model_config
from xstilts_hpc.plan import Plan, PlannedRun, load_plan, plan_files
from xstilts_hpc.run import ModelSource, Run
from xstilts_hpc.tasks import task_of

# An assumption, not a measurement, until finished runs on this machine replace it: sustained TFLOP/s of one device.
ASSUMED_TFLOPS = 60.0
# Measured over MNLI and SQuAD with XLM-R's tokenizer (171.7 characters, 45.2 tokens; 830.1 characters, 204.2 tokens).
_CHARACTERS_PER_TOKEN = 4.0
_CHARACTERS_PER_WORD = 6.0
# Supertags of CCGbank by the study's code (jiant v1): what a task whose labels stand in its files is taken to have.
_OPEN_LABELS = 1_363
# Other grids whose finished runs are looked at: a large plan takes a second to read.
_MOST_GRIDS = 5
_FORWARD, _FORWARD_AND_BACKWARD = 2, 6
# Pieces that occur in an English training set, at most: an assumption, since the data are not encoded here. A finished
# run's record says how many it was (`vocabulary`).
_PIECES = 60_000
# run.json, request.json, DONE.json, history.jsonl, one provenance record, one file for TensorBoard; configuration,
# weights and tokenizer (two files) of an encoder.
_FILES_PER_RUN, _FILES_PER_ENCODER = 6, 4


@dataclass(frozen=True)
class ModelSize:
    """Layers, width, width of the feed-forward part, and rows of the vocabulary."""

    layers: int
    hidden: int
    intermediate: int
    vocabulary: int

    @property
    def computing(self) -> int:
        """Return the number of parameters that every token is multiplied with."""
        return self.layers * (4 * self.hidden**2 + 2 * self.hidden * self.intermediate)

    @property
    def parameters(self) -> int:
        """Return the number of all parameters, vocabulary included."""
        return self.computing + self.vocabulary * self.hidden


_KNOWN = {
    "FacebookAI/xlm-roberta-base": ModelSize(12, 768, 3072, 250_002),
    "FacebookAI/xlm-roberta-large": ModelSize(24, 1024, 4096, 250_002),
    "facebook/xlm-roberta-xl": ModelSize(36, 2560, 10_240, 250_880),  # the defaults of transformers' XLMRobertaXLConfig
}

# Whose size a model is taken to have that is neither known nor here.
ASSUMED_MODEL = "FacebookAI/xlm-roberta-large"


@dataclass(frozen=True)
class Forecast:
    """The cost of the runs that are not done: device hours, bytes kept, bytes in use by one running run, files.

    `calibrated_by` counts the finished runs whose speed was used; 0 means the assumed speed.
    """

    gpu_hours: float
    bytes_kept: int
    bytes_per_running: int
    files: int
    tflops: float
    calibrated_by: int


def forecast(plan: Plan, *, root: Path, todo: Iterable[PlannedRun], profile: str = "") -> Forecast:
    """Return what the runs still to do will cost, by the speed of runs that finished under a profile, else any.

    Where none of the plan has finished, runs of the same model in other grids count.
    """
    runs = list(todo)
    size = _size_of(plan, root)
    left = {planned.run.id for planned in runs}
    known = {run_id: planned for run_id, planned in plan.runs.items() if run_id not in left}
    measured = _under_any(root, known, profile)
    if left and not measured:
        known = _runs_of_other_grids(plan, root)
        measured = _under_any(root, known, profile)
    samples = _samples(known, size, measured)
    tflops = median_tflops(samples) if samples else ASSUMED_TFLOPS
    work = sum(flops(planned, size) for planned in runs)
    encoders = sum(planned.request.keep_encoder for planned in runs)
    predictions = sum(len(planned.request.predictions) for planned in runs)
    return Forecast(
        gpu_hours=work / (tflops * 1e12) / 3600,
        bytes_kept=4 * size.parameters * encoders + sum(map(_logits_bytes, runs)),
        bytes_per_running=4 * size.parameters,
        files=_FILES_PER_RUN * len(runs) + predictions + _FILES_PER_ENCODER * encoders,
        tflops=tflops,
        calibrated_by=len(samples),
    )


def _under_any(root: Path, run_ids: Iterable[str], profile: str) -> dict[str, Took]:
    """Return what finished runs took under a profile, or if none did, under any."""
    return took(root, run_ids, profile) or (took(root, run_ids) if profile else {})


def minutes_of(plan: Plan, root: Path, profile: str, ranks: int) -> dict[str, float]:
    """Return the estimated minutes of runs on so many ranks, by the runs that finished under the same profile.

    Where too few of the plan have finished, runs of the same model in other grids count as well. Nothing is estimated
    before three runs have finished, nor a run far larger than those.
    """
    known: Mapping[str, PlannedRun] = plan.runs
    measured = took(root, known, profile)
    if len(measured) < FEWEST:
        known = {**_runs_of_other_grids(plan, root), **plan.runs}
        measured = took(root, known, profile)
    if len(measured) < FEWEST:
        return {}
    size = _size_of(plan, root)
    works = {run_id: flops(planned, size) / ranks for run_id, planned in plan.runs.items()}
    speeds = speeds_of(_samples(known, size, measured))
    return {i: speed.seconds(work) / 60 for speed in speeds for i, work in works.items() if speed.knows(work)}


def _runs_of_other_grids(plan: Plan, root: Path) -> dict[str, PlannedRun]:
    """Return the runs of the same model in the grids that were submitted last; a plan that cannot be read has none."""
    model = next(iter(plan.runs.values())).run.model
    found: dict[str, PlannedRun] = {}
    for path in plan_files(root)[-_MOST_GRIDS:]:
        with contextlib.suppress(RunError):
            found |= {i: planned for i, planned in load_plan(path).runs.items() if planned.run.model == model}
    return found


def _samples(known: Mapping[str, PlannedRun], size: ModelSize, measured: Mapping[str, Took]) -> list[Sample]:
    samples = (Sample(flops(known[i], size) / run.ranks, run.seconds) for i, run in measured.items())
    return [sample for sample in samples if sample.rank_work]


def _size_of(plan: Plan, root: Path) -> ModelSize:
    return model_size(next(iter(plan.runs.values())).run.model, root)


def model_size(source: ModelSource, root: Path) -> ModelSize:
    """Return the size of a model from its config.json, or of a hub model that is known; else that of ASSUMED_MODEL."""
    if source.id in _KNOWN:
        return _KNOWN[source.id]
    if is_assumed(source, root):
        return _KNOWN[ASSUMED_MODEL]
    config = model_config(source, root)
    path = root / Path(source.path).expanduser() / "config.json" if source.path else Path("config.json")
    names = ("num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size")
    missing = [name for name in names if name not in config]
    if missing:
        raise RunError(f"{path}: no {', '.join(missing)}; it is not the configuration of an encoder like XLM-R")
    layers, hidden, intermediate, vocabulary = (whole_number(config, name, 0, str(path)) for name in names)
    gate = intermediate // 2 if check_config(config, str(path)).gated else 0  # half as many parameters again
    return ModelSize(layers, hidden, intermediate + gate, vocabulary)


def is_assumed(source: ModelSource, root: Path) -> bool:
    """Say whether the size of a model is only assumed."""
    return source.id not in _KNOWN and not source.digest and not model_config(source, root)


def trained_size(size: ModelSize, runs: Iterable[Run], *, compact_vocabulary: bool) -> Trained:
    """Return what the largest training of some runs has; the vocabulary is whole where a language model is trained."""
    masked = any(run.training and run.training.mlm_weight for run in runs)
    whole = masked or not compact_vocabulary
    pieces = size.vocabulary if whole else min(size.vocabulary, _PIECES)
    parameters = size.computing + pieces * size.hidden
    return Trained(parameters, size.computing, size.layers, size.hidden, size.vocabulary if masked else 0)


def longest_item(run: Run) -> int:
    """Return the most tokens that an item of a run's training set can have, all its choices together.

    A task that a plan of another version or installation names and this one does not know is taken to have one row.
    """
    return max(map(_rows, run.training.tasks if run.training else ()), default=1) * run.recipe.max_length


def _rows(task: str) -> int:
    try:
        return task_of(task).rows_per_item
    except GridError:
        return 1


def flops(planned: PlannedRun, size: ModelSize) -> float:
    """Return the floating-point operations of a run: 6 per parameter and token trained, 2 per token predicted."""
    recipe = planned.run.recipe
    trained = 0.0
    if planned.run.training:
        steps = recipe.num_steps(planned.train_examples) / (1 - planned.run.training.mlm_weight)
        trained = steps * recipe.batch_size * _tokens(planned.train_characters, longest_item(planned.run))
    predicted = sum(
        examples * _tokens(characters, _rows(task) * recipe.max_length)
        for task, (examples, characters) in planned.predicted.items()
    )
    return size.computing * (_FORWARD_AND_BACKWARD * trained + _FORWARD * predicted)


def _tokens(characters: float, most: int) -> float:
    return min(characters / _CHARACTERS_PER_TOKEN + 4, most)


def _logits_bytes(planned: PlannedRun) -> int:
    """Return the rough size of a run's logits, by what a row of each kind holds."""
    total = 0.0
    for prediction in planned.request.predictions:
        task = task_of(prediction.task)
        examples, characters = planned.predicted.get(task.name, (0, 0.0))
        per_example = {
            Kind.SEQUENCE: 4 * len(task.labels) + 32,
            Kind.CHOICE: 4 * len(task.labels) + 32,
            Kind.TOKEN: characters / _CHARACTERS_PER_WORD * (4 * (len(task.labels) or _OPEN_LABELS) + 8) + 32,
            Kind.SPAN: characters / _CHARACTERS_PER_TOKEN * 32 + characters / 5 + 128,
            Kind.RETRIEVAL: 64,
        }
        total += examples * per_example[task.kind]
    return int(total)
