"""Score the logits files of runs, each read once; what cannot be read is said, never filled in."""

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from xstilts_hpc.errors import IncompleteError, LogitsError, XstiltsError
from xstilts_hpc.files import read_record, sha256_of
from xstilts_hpc.logits_file import LogitsFile, open_logits
from xstilts_hpc.results.flags import flags_of
from xstilts_hpc.results.kept import FileScore, Kept, LanguageScore, pinned
from xstilts_hpc.run import Prediction
from xstilts_hpc.run_folder import RunFolder
from xstilts_hpc.scoring import task_of_file
from xstilts_hpc.scoring.counted import Counted, scored
from xstilts_hpc.scoring.draws import draws_of
from xstilts_hpc.tasks.base import Task

NOT_FINISHED = "run not finished"
WHOLE_FILE = ""
_MANY_FILES = 64
# A process takes 0.05 GB before it reads: of more, as many as the cores of a large machine, these alone are over 2 GiB
# (docs/performance.md).
_MOST_PROCESSES = 16
# Read by the libraries that numpy multiplies matrices with, when they are loaded.
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class LogitsJob:
    """A logits file to score: a run, its folder, what the plan asked of it for one task, and where scores are kept."""

    run: str
    folder: RunFolder
    prediction: Prediction
    kept: Kept


def score_files(jobs: Iterable[LogitsJob], processes: int) -> list[FileScore]:
    """Score files in their order, in several processes where there are many (0 = one per core, 16 at most)."""
    listed = list(jobs)
    processes = processes or min(_MOST_PROCESSES, len(os.sched_getaffinity(0)))
    if processes == 1 or len(listed) <= _MANY_FILES:
        return [score_file(job) for job in listed]
    try:
        with _one_thread_each(), ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            return list(pool.map(score_file, listed, chunksize=4))
    except BrokenProcessPool as error:
        raise IncompleteError(
            f"a process that scores logits died ({error}), perhaps of too little memory; "
            "give this machine more memory, or call collect with processes=1"
        ) from error


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes that are started meanwhile multiply matrices in one thread: there is one for each core already."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def score_file(job: LogitsJob) -> FileScore:
    """Score one logits file language by language, verified against the run's commit record and the plan.

    What was scored before is not read again, as long as nothing changed.
    """
    if not job.folder.done_json.is_file():
        return FileScore(problems={WHOLE_FILE: NOT_FINISHED})
    try:
        sha256 = _recorded(job)
        holds_for = pinned(job.folder, job.prediction, sha256)
        before = job.kept.load(holds_for)
        return before or _score_anew(job, sha256, holds_for)
    except _OtherFileError as error:
        return FileScore(problems={WHOLE_FILE: str(error)})
    except (XstiltsError, OSError, KeyError, TypeError, ValueError) as error:
        return FileScore(problems={WHOLE_FILE: f"file damaged: {error}"})


class _OtherFileError(XstiltsError):
    """The logits file is not the one that the commit record or the plan speaks of."""


def _recorded(job: LogitsJob) -> str:
    """Return the SHA-256 that DONE.json has for the logits file, which must be there."""
    path = job.folder.logits(job.prediction.task)
    record = read_record(job.folder.done_json)
    if record["run"] != job.run:
        raise _OtherFileError(f"file damaged: {job.folder.done_json} is the record of run {record['run']}")
    products = {product["path"]: product for product in record["files"]}
    name = path.relative_to(job.folder.path).as_posix()
    if name not in products:
        raise _OtherFileError(f"{NOT_FINISHED}: its DONE.json has no {name}; submit the grid again")
    if not path.is_file():
        raise _OtherFileError(f"file missing: {path} is in DONE.json but not on disk; submit the grid again")
    return str(products[name]["sha256"])


def _score_anew(job: LogitsJob, sha256: str, holds_for: Mapping[str, Any]) -> FileScore:
    """Read and score the logits file, and keep what it gave: where a language is missing the draws of the others."""
    path = job.folder.logits(job.prediction.task)
    if sha256_of(path) != sha256:
        raise _OtherFileError(
            f"file damaged: {path} differs from the SHA-256 in DONE.json; delete the file and submit the grid again"
        )
    with open_logits(path) as stored:
        header, counts = stored.header(), dict[str, Counted]()
        if (header.run, header.task, header.split) != (job.run, job.prediction.task, job.prediction.split):
            found = f"{header.task} {header.split} of run {header.run}"
            raise _OtherFileError(f"file of other predictions: {path} holds {found}")
        task, problems = task_of_file(header), dict(_unlike_plan(job.prediction, stored.data_digests()))
        wanted = [language for language in job.prediction.data if language not in problems]
        scores = tuple(_scores(task, stored, wanted, problems, counts))
    file = FileScore(scores, problems, header.code)
    job.kept.save(holds_for, file, draws_of(task, counts) if counts else None)
    return file


def _unlike_plan(prediction: Prediction, have: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield every language whose predictions are absent or were made from other data than the plan's."""
    for language, wanted in prediction.data.items():
        if language not in have:
            yield language, f"{NOT_FINISHED}: no predictions for this language; submit the grid again"
        elif have[language] != wanted:
            yield language, "other data: predicted from another version of the data than the plan's; submit again"


def _scores(
    task: Task, stored: LogitsFile, languages: Iterable[str], problems: dict[str, str], counts: dict[str, Counted]
) -> Iterator[LanguageScore]:
    """Yield the score of each language, one in memory at a time; note problems and counts."""
    for language in languages:
        try:
            logits = stored.read([language])[language]
            if not logits.example_id:
                raise LogitsError(f"no example in {language}")
            parts, found = scored(task, logits, language)
            if found is not None:
                counts[language] = found
            yield LanguageScore(language, parts, len(logits.example_id), flags_of(logits))
        except (XstiltsError, OSError, LookupError, TypeError, ValueError) as error:
            problems[language] = f"file damaged: {error}"
