"""Carry out one run: load, fine-tune, save the encoder, predict every language, commit."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xstilts_hpc.data.batch import BatchMaker
from xstilts_hpc.data.encode import Encoder
from xstilts_hpc.data.subset import subset
from xstilts_hpc.errors import DataError
from xstilts_hpc.files import Memory, append_json_line
from xstilts_hpc.logits import Header, data_digests, merge_logits, read_logits, write_logits
from xstilts_hpc.machine import Machine
from xstilts_hpc.model.encoder import load_encoder, load_tokenizer, model_location
from xstilts_hpc.model.heads import TaskModel
from xstilts_hpc.run import Prediction, Request, Run, RunFolder, Training, run_folder
from xstilts_hpc.scoring import score
from xstilts_hpc.tasks import task_of
from xstilts_hpc.tasks.base import Split, Task, stratum
from xstilts_hpc.tasks.folder import DataFolder
from xstilts_hpc.train.loop import TrainingSet, fine_tune
from xstilts_hpc.train.predict import Predictor, predict
from xstilts_hpc.train.ranks import Ranks, join_ranks, leave_ranks
from xstilts_hpc.train.record import BlockedError, attempt
from xstilts_hpc.train.retrieval import SentenceModel
from xstilts_hpc.train.trained import is_saved, load_trained, save_trained
from xstilts_hpc.train.zero import full_weights, start_engine
from xstilts_hpc.version import code_version


@dataclass(frozen=True)
class _Work:
    """All that the steps of one execution share; `start` is where weights and tokenizer come from, and a revision."""

    root: Path
    folder: RunFolder
    run: Run
    request: Request
    machine: Machine
    ranks: Ranks
    data: DataFolder
    start: tuple[str, str]
    tokenizer: Any
    measured: dict[str, Any]

    def encoder(self) -> Encoder:
        """Return how this run turns text into ids."""
        return Encoder(self.tokenizer, self.run.recipe, self.root / "cache" / "encoded")


def execute(root: Path, run_id: str, machine: Machine, *, alone: bool = False) -> None:
    """Collective. Bring a run to its commit record; a run that is done already is left as it is.

    Raises BlockedError where the parent is not done, DataError where the data changed since the run was planned.
    `alone` ignores a process group named by the environment (a run in the user's own shell).
    """
    folder = run_folder(root, run_id)
    run, request = folder.run(), folder.request()
    if folder.done(request):
        return
    if machine.threads:
        torch.set_num_threads(machine.threads)
    ranks = join_ranks(alone=alone)
    try:
        with attempt(folder, machine, ranks) as measured:
            data = DataFolder(root / Path(request.data).expanduser(), Memory(root / "cache" / "data.json"))
            start = _start(root, run)
            work = _Work(root, folder, run, request, machine, ranks, data, start, load_tokenizer(*start), measured)
            _train(work)
            _predict_all(work)
            _commit(work)
    finally:
        leave_ranks()


def _start(root: Path, run: Run) -> tuple[str, str]:
    """Return where weights and tokenizer come from: the encoder of the parent, which must be done, or the model."""
    if not run.parent:
        return model_location(run.model, root)
    parent, wanted = run_folder(root, run.parent), Request((), keep_encoder=True)
    if not parent.done(wanted):
        raise BlockedError(f"run {run.id}: its parent {run.parent} is not done; submit the grid again once it is")
    if not parent.done(wanted, verify=True):
        parent.set_aside()
        raise BlockedError(
            f"run {run.id}: files of its parent {run.parent} are not those of its record, which was set aside; "
            "submit the grid again: the parent is done anew"
        )
    return str(parent.encoder), "main"


def _train(work: _Work) -> None:
    """Collective. Fine-tune and save the trained model, unless the run trains nothing or did so before."""
    training = work.run.training
    if training is None or is_saved(work.folder.trained):
        return
    task = task_of(training.task)
    with _timed(work, "train_s"):
        encoder = load_encoder(*work.start, seed=training.train_seed)
        model = TaskModel(encoder, task, seed=training.train_seed)
        training_set = _training_set(work, task, training)
        steps = work.run.recipe.num_steps(len(training_set.items))
        engine = start_engine(model, work.run.recipe, work.machine, steps=steps, world=work.ranks.world)
        if work.ranks.is_main():
            work.folder.history.unlink(missing_ok=True)
            shutil.rmtree(work.folder.logits("").parent, ignore_errors=True)  # of an earlier training
        for step in fine_tune(engine, training_set, work.run.recipe, work.machine, ranks=work.ranks):
            if work.ranks.is_main():
                append_json_line(work.folder.history, vars(step))
        weights = full_weights(engine, model.state_dict())
    if work.ranks.is_main():
        save_trained(work.folder.trained, model, weights, work.tokenizer)
    engine.destroy()
    work.ranks.barrier()


def _training_set(work: _Work, task: Task, training: Training) -> TrainingSet:
    """Return the encoded items of the run's subset; the data must be those the run was planned on."""
    located = work.data.locate(task, Split.TRAIN)
    facts = work.data.facts(task, Split.TRAIN)
    if facts["digest"] != training.data:
        names = ", ".join(map(str, located.paths))
        raise DataError(f"{names}: changed since run {work.run.id} was planned; restore it, or submit the grid again")
    examples = list(located.examples())
    encoded = work.encoder().encode(task, examples, facts["digest"])
    items = np.arange(encoded.items)
    if training.size:
        chosen = subset([stratum(task, example) for example in examples], training.size, training.data_seed)
        example_of = encoded.flat("example")[:: encoded.rows_per_item]
        items = np.flatnonzero(np.isin(example_of, chosen))
    return TrainingSet(BatchMaker(encoded, work.tokenizer.pad_token_id), items, training.train_seed)


def _predict_all(work: _Work) -> None:
    """Collective. Predict every language that is not on disk yet, then join the languages of each task."""
    with _timed(work, "predict_s"):
        # Shared out before looking at what is there: ranks that look at different moments would share differently.
        everything = [(prediction, language) for prediction in work.request.predictions for language in prediction.data]
        share = everything[work.ranks.rank :: work.ranks.world]
        mine = [(prediction, language) for prediction, language in share if not _have(work, prediction, language)]
        if mine:
            predictor = _predictor(work)
            for prediction, language in mine:
                _predict_language(work, predictor, prediction, language)
        work.ranks.barrier()
        if work.ranks.is_main():
            for prediction in work.request.predictions:
                parts = [work.folder.logits_part(prediction.task, language) for language in prediction.languages]
                merge_logits(work.folder.logits(prediction.task), _header(work, prediction), parts)


def _predictor(work: _Work) -> Predictor:
    """Return the plain trained model of this process: never a ZeRO engine, whose ranks must step together."""
    training = work.run.training
    if training:
        model: torch.nn.Module = load_trained(work.folder.trained, task_of(training.task))
    else:
        model = SentenceModel(load_encoder(*work.start), work.run.recipe)
    bf16 = work.machine.precision == "bf16"
    return Predictor(model.to(work.ranks.device), work.ranks.device, work.tokenizer.pad_token_id, bf16)


def _have(work: _Work, prediction: Prediction, language: str) -> bool:
    part = work.folder.logits_part(prediction.task, language)
    return part.is_file() and data_digests(part).get(language) == prediction.data[language]


def _predict_language(work: _Work, predictor: Predictor, prediction: Prediction, language: str) -> None:
    """Write one language's logits to a file of its own; one writer per file, so ranks share the languages."""
    task, split, digest = task_of(prediction.task), Split(prediction.split), prediction.data[language]
    located = work.data.locate(task, split, language)
    if work.data.facts(task, split, language)["digest"] != digest:
        names = ", ".join(map(str, located.paths))
        raise DataError(f"{names}: changed since run {work.run.id} was planned; submit the grid again")
    examples = list(located.examples())
    encoded = work.encoder().encode(task, examples, f"{language}-{digest}")
    logits = predict(predictor, task, examples, encoded)
    write_logits(work.folder.logits_part(task.name, language), _header(work, prediction), {language: (logits, digest)})


def _header(work: _Work, prediction: Prediction) -> Header:
    source = work.run.model
    return Header(
        run=work.run.id,
        task=prediction.task,
        kind=str(task_of(prediction.task).kind),
        split=str(prediction.split),
        model=source.path or f"{source.id}@{source.revision}",
        code=code_version(),
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )


def _commit(work: _Work) -> None:
    """Score what was written, keep the encoder if asked, write DONE.json last, drop what is no longer needed."""
    if work.ranks.is_main():
        files = [work.folder.logits(prediction.task) for prediction in work.request.predictions]
        scores = {path.stem: _scores(path) for path in files}
        if work.request.keep_encoder and work.run.training and work.folder.trained.is_dir():
            shutil.rmtree(work.folder.encoder, ignore_errors=True)
            shutil.copytree(work.folder.trained / "encoder", work.folder.encoder, copy_function=_link)
        if work.folder.encoder.is_dir():
            files.extend(path for path in work.folder.encoder.iterdir() if path.is_file())
        work.folder.commit(scores, files, work.request)
        for prediction in work.request.predictions:
            shutil.rmtree(work.folder.logits_part(prediction.task, "").parent, ignore_errors=True)
        shutil.rmtree(work.folder.trained, ignore_errors=True)
    work.ranks.barrier()


def _scores(path: Path) -> dict[str, dict[str, float]]:
    task = task_of(path.stem)
    return {language: score(task, logits, language) for language, logits in read_logits(path).items()}


def _link(source: str, target: str) -> None:
    """Move the weights by a second name, or copy them where the file system has no second names."""
    try:
        Path(target).hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)


@contextmanager
def _timed(work: _Work, name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    work.measured[name] = round(time.perf_counter() - started, 3)
