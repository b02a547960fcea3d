"""Predict every language of a run: while one is on the device, the next is read and the one before is written."""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, islice, takewhile
from typing import TypeVar

import torch

from xstilts_hpc.clock import utc
from xstilts_hpc.data.encode import Encoded
from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Example
from xstilts_hpc.logits import Header, Logits, RetrievalLogits, write_logits
from xstilts_hpc.logits_check import check_logits
from xstilts_hpc.logits_file import data_digests, merge_logits
from xstilts_hpc.machine import Machine
from xstilts_hpc.model.encoder import load_encoder
from xstilts_hpc.run import Prediction
from xstilts_hpc.tasks import task_of
from xstilts_hpc.tasks.base import Split, Task
from xstilts_hpc.train.micro_batches import deal
from xstilts_hpc.train.predict import Predictor, predict, predictor_of
from xstilts_hpc.train.retrieval import SentenceModel
from xstilts_hpc.train.stop import Order
from xstilts_hpc.train.trained import load_trained
from xstilts_hpc.train.work import Work
from xstilts_hpc.version import code_version

logger = logging.getLogger(__name__)

T = TypeVar("T")
V = TypeVar("V")
Place = tuple[Prediction, str]
Set = tuple[list[Example], Encoded]


@dataclass(frozen=True)
class ReadLanguage:
    """One language of a prediction, read and encoded: its own set, and that of dev where a threshold is chosen."""

    place: Place
    task: Task
    sets: tuple[Set, ...]


def predict_all(work: Work) -> None:
    """Collective. Predict every language that is not on disk yet, then join the languages of each task.

    StoppedError where a signal asked a rank to stop. What a rank had predicted until then, or until an error, is
    written. The notes say in which precision, and how many tokens a forward pass took.
    """
    with work.timed("predict_s"):
        # Shared out before looking at what is there: ranks that look at different moments would share differently.
        _predict_mine(work, [place for place in _share(work) if not _have(work, place)])
        # Also the barrier before the parts are joined: a rank that was asked to stop comes here early.
        order = Order(work.ranks.highest(work.stop.wish))
        if order >= Order.STOP:
            raise work.stop.error(work.run.id, "between two languages", order)
        if work.ranks.is_main():
            work.check_lease()
            for prediction in work.request.predictions:
                parts = [work.folder.logits_part(prediction.task, language) for language in prediction.languages]
                merge_logits(work.folder.logits(prediction.task), _header(work, prediction), parts)
                logger.info("predicted %s in %d languages", prediction.task, len(parts))


def _predict_mine(work: Work, mine: list[Place]) -> None:
    """Predict this rank's languages, as far as nobody asks it to stop; one at most waits to be written."""

    def goes_on(_: object) -> bool:
        return not work.stop.wish

    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        written: list[Future[None]] = []
        languages = ahead(reader, partial(_read, work), takewhile(goes_on, mine))
        for head, group in groupby(takewhile(goes_on, languages), key=lambda language: language.task.training_set):
            predictor = _predictor(work, head)
            for language in group:
                logits = _logits(predictor, language)
                work.findings.notes["prediction_tokens"] = predictor.tokens
                _wait(written)
                written.append(writer.submit(_write, work, language.place, logits))
        _wait(written)


def ahead(thread: Executor, function: Callable[[T], V], items: Iterable[T]) -> Iterator[V]:
    """Yield the function's value of every item; a thread finds out the next one meanwhile, and no more than that."""
    left = iter(items)
    coming = [thread.submit(function, item) for item in islice(left, 1)]
    while coming:
        value = coming.pop().result()
        coming.extend(thread.submit(function, item) for item in islice(left, 1))
        yield value


def _wait(written: list[Future[None]]) -> None:
    """Wait until what is being written is on disk; raise what went wrong there."""
    while written:
        written.pop().result()


def _share(work: Work) -> list[Place]:
    """Return this rank's languages, those of one head together."""
    everything = [(prediction, language) for prediction in work.request.predictions for language in prediction.data]
    places = [(task_of(prediction.task), Split(prediction.split), language) for prediction, language in everything]
    facts = [work.data.facts(*place) for place in places]
    ranks = deal([fact["examples"] * fact["characters"] for fact in facts], work.ranks.world)
    mine = (item for item, rank in zip(everything, ranks, strict=True) if rank == work.ranks.rank)
    return sorted(mine, key=lambda place: task_of(place[0].task).training_set)


def _have(work: Work, place: Place) -> bool:
    prediction, language = place
    part = work.folder.logits_part(prediction.task, language)
    return part.is_file() and data_digests(part).get(language) == prediction.data[language]


def _read(work: Work, place: Place) -> ReadLanguage:
    """Read and encode a language; DataError where its files changed since the run was planned."""
    prediction, language = place
    task, split = work.task(prediction.task), Split(prediction.split)
    if work.data.facts(task, split, language)["digest"] != prediction.data[language]:
        changed = work.data.locate(task, split, language).changed()
        raise DataError(f"{changed} since run {work.run.id} was planned; submit the grid again")
    splits = [split, Split.DEV] if task.needs_dev(split) else [split]
    return ReadLanguage(place, task, tuple(_set(work, task, each, language) for each in splits))


def _set(work: Work, task: Task, split: Split, language: str) -> Set:
    examples = list(work.data.locate(task, split, language).examples())
    digest = work.data.facts(task, split, language)["digest"]
    return examples, work.encoder.encode(task, examples, f"{language}-{digest}")


def _predictor(work: Work, head: str) -> Predictor:
    """Return the plain trained model of this process: never a ZeRO engine, whose ranks must step together."""
    if work.run.training:
        model: torch.nn.Module = load_trained(work.folder.trained, work.task(head))
    else:
        model = SentenceModel(load_encoder(*work.start), work.run.recipe)
    precision = prediction_precision(work.machine)
    work.findings.notes["prediction_precision"] = precision
    return predictor_of(model, work.ranks.device, precision)


def prediction_precision(machine: Machine) -> str:
    """Return the precision of predictions: that of training, unless the machine says another."""
    return machine.prediction_precision or ("autocast" if machine.precision == "bf16" else "fp32")


def _logits(predictor: Predictor, language: ReadLanguage) -> Logits:
    logits, *dev = (predict(predictor, language.task, *each) for each in language.sets)
    for threshold in dev:
        assert isinstance(logits, RetrievalLogits) and isinstance(threshold, RetrievalLogits)
        logits = replace(logits, dev=threshold)
    return logits


def _write(work: Work, place: Place, logits: Logits) -> None:
    """Write one language's logits to a file of its own; one writer per file, so ranks share the languages."""
    prediction, language = place
    work.check_lease()
    part, header = work.folder.logits_part(prediction.task, language), _header(work, prediction)
    check_logits(logits, len(header.labels))
    write_logits(part, header, {language: (logits, prediction.data[language])})


def _header(work: Work, prediction: Prediction) -> Header:
    source, task = work.run.model, work.task(prediction.task)
    return Header(
        run=work.run.id,
        task=prediction.task,
        kind=str(task.kind),
        split=str(prediction.split),
        model=source.path or f"{source.id}@{source.revision}",
        code=code_version(),
        created=utc(),
        labels=task.labels,
    )
