"""Score the logits files of runs, each read once; what cannot be read is said, never filled in."""

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import numpy as np

from xstilts_hpc.errors import IncompleteError, LogitsError, XstiltsError
from xstilts_hpc.files import read_json, sha256_of
from xstilts_hpc.logits import Logits, RetrievalLogits, SpanLogits, data_digests, read_header, read_logits
from xstilts_hpc.run import Prediction
from xstilts_hpc.run_folder import RunFolder
from xstilts_hpc.scoring import score, task_of_file
from xstilts_hpc.tasks.base import Task

NOT_FINISHED = "run not finished"
WHOLE_FILE = ""
_MANY_FILES = 64
_MOST_PROCESSES = 16


@dataclass(frozen=True)
class LogitsJob:
    """A logits file to score: a run, its folder, and what the plan asked of it for one task."""

    run: str
    folder: RunFolder
    prediction: Prediction


@dataclass(frozen=True)
class LanguageScore:
    """The parts of a task's metric in one language, each in [0, 1]; `flags` are words with spaces between them."""

    language: str
    parts: Mapping[str, float]
    examples: int
    flags: str


@dataclass(frozen=True)
class FileScore:
    """What a logits file gave: scores by language, the code that wrote it, and why languages are missing.

    `problems` leads from a language, or from WHOLE_FILE, to the reason.
    """

    scores: tuple[LanguageScore, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    code: str = ""


def score_files(jobs: Iterable[LogitsJob], processes: int) -> list[FileScore]:
    """Score files in their order, in several processes where there are many (0 = as many as there are cores)."""
    listed = list(jobs)
    processes = processes or min(_MOST_PROCESSES, len(os.sched_getaffinity(0)))
    if processes == 1 or len(listed) <= _MANY_FILES:
        return [score_file(job) for job in listed]
    try:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            return list(pool.map(score_file, listed, chunksize=4))
    except BrokenProcessPool as error:
        raise IncompleteError(
            f"a process that scores logits died ({error}), perhaps of too little memory; "
            "give this machine more memory, or call collect with processes=1"
        ) from error


def score_file(job: LogitsJob) -> FileScore:
    """Verify one logits file against the run's commit record and the plan, then score it language by language."""
    path = job.folder.logits(job.prediction.task)
    if not job.folder.done_json.is_file():
        return FileScore(problems={WHOLE_FILE: NOT_FINISHED})
    try:
        problem = _unlike_record(job)
        if problem:
            return FileScore(problems={WHOLE_FILE: problem})
        header = read_header(path)
        if (header.run, header.task, header.split) != (job.run, job.prediction.task, job.prediction.split):
            found = f"{header.task} {header.split} of run {header.run}"
            return FileScore(problems={WHOLE_FILE: f"file of other predictions: {path} holds {found}"})
        have = data_digests(path)
    except (XstiltsError, OSError, KeyError, TypeError, ValueError) as error:
        return FileScore(problems={WHOLE_FILE: f"file damaged: {error}"})
    problems = dict(_unlike_plan(job.prediction, have))
    scores = tuple(_scores(job, task_of_file(header), problems))
    return FileScore(scores, problems, header.code)


def _unlike_record(job: LogitsJob) -> str:
    """Return how the logits file differs from what DONE.json records, "" where it does not."""
    path = job.folder.logits(job.prediction.task)
    record = read_json(job.folder.done_json)
    if record["run"] != job.run:
        return f"file damaged: {job.folder.done_json} is the record of run {record['run']}"
    products = {product["path"]: product for product in record["files"]}
    name = path.relative_to(job.folder.path).as_posix()
    if name not in products:
        return f"{NOT_FINISHED}: its DONE.json has no {name}; submit the grid again"
    if not path.is_file():
        return f"file missing: {path} is in DONE.json but not on disk; submit the grid again"
    if sha256_of(path) != products[name]["sha256"]:
        return f"file damaged: {path} differs from the SHA-256 in DONE.json; delete the file and submit the grid again"
    return ""


def _unlike_plan(prediction: Prediction, have: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield every language whose predictions are absent or were made from other data than the plan's."""
    for language, wanted in prediction.data.items():
        if language not in have:
            yield language, f"{NOT_FINISHED}: no predictions for this language; submit the grid again"
        elif have[language] != wanted:
            yield language, "other data: predicted from another version of the data than the plan's; submit again"


def _scores(job: LogitsJob, task: Task, problems: dict[str, str]) -> Iterator[LanguageScore]:
    """Yield the score of each language without a problem, one in memory at a time; note new problems."""
    path = job.folder.logits(task.name)
    for language in job.prediction.data:
        if language in problems:
            continue
        try:
            logits = read_logits(path, [language])[language]
            if not logits.example_id:
                raise LogitsError(f"{path}: no example in {language}")
            yield LanguageScore(language, score(task, logits, language), len(logits.example_id), _flags(logits))
        except (XstiltsError, OSError, LookupError, TypeError, ValueError) as error:
            problems[language] = f"file damaged: {error}"


def _flags(logits: Logits) -> str:
    """Return `not_finite` where a logit is NaN or infinite, `collapsed` where all predictions are the same label."""
    arrays: dict[type[Logits], tuple[str, ...]] = {
        SpanLogits: ("start_logits", "end_logits"),
        RetrievalLogits: ("scores", "reverse_scores"),
    }
    values: list[Any] = [getattr(logits, name) for name in arrays.get(type(logits), ("logits",))]
    found = [] if all(bool(np.isfinite(value).all()) for value in values) else ["not_finite"]
    if not isinstance(logits, (SpanLogits, RetrievalLogits)):
        predicted, gold = np.unique(logits.logits.argmax(axis=1)), np.unique(np.asarray(logits.gold))
        # Gold -1 is a tag that the training file lacks: no model can predict it.
        found += ["collapsed"] if len(predicted) == 1 < np.count_nonzero(gold >= 0) else []
    return " ".join(found)
