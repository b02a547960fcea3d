"""What is wrong with what a task states about itself: the same questions for those that ship and those of others."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from xstilts_hpc.errors import nearest
from xstilts_hpc.examples import Kind
from xstilts_hpc.languages import ENGLISH, LANGUAGES
from xstilts_hpc.metrics.base import Metric
from xstilts_hpc.tasks.base import Role, Source, Split, Task

# Words that grids, tables and folders have for something else.
_RESERVED = ("none", "all", "mixture", "full", "encoder")
_LABELLED = (Kind.SEQUENCE, Kind.CHOICE)


def faults_of(found: Any, name: str, others: Mapping[str, Any]) -> Iterator[str]:
    """Yield everything that keeps a value from being used as the task of a name; `others` are tasks by name."""
    if not isinstance(found, Task):
        yield f"it is a {type(found).__name__}, expected a Task of xstilts_hpc.tasks.base"
        return
    yield from _in_name(found, name)
    yield from (f"no {word}, which tables and `xstilts tasks` show" for word in _TOLD if not getattr(found, word))
    if len(found.roles) != 1 or not isinstance(found.metric, Metric):
        yield "expected one role (INTERMEDIATE or TARGET of xstilts_hpc.tasks.base) and a metric of xstilts_hpc.metrics"
    yield from _in_names(found)
    yield from _in_sources(found)
    yield from _in_training(found, others)


_TOLD = ("title", "origin", "licence")


def _in_name(task: Task, name: str) -> Iterator[str]:
    if task.name != name:
        yield f"its name is {task.name!r}, expected {name!r} as the entry point says"
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", task.name) or task.name in _RESERVED:
        yield (
            f"the name {task.name!r} cannot be used: expected at most 40 small letters, digits and _, a letter first, "
            f"none of {', '.join(_RESERVED)}"
        )


def _in_names(task: Task) -> Iterator[str]:
    """Yield what is wrong with languages and labels."""
    for word in ("languages", "labels", "sources"):
        value = getattr(task, word)
        if not isinstance(value, tuple) or len(set(value)) != len(value):
            yield f"{word} is {value!r}, expected a tuple of different ones"
    yield from (
        f"unknown language {code!r}; {nearest(code, LANGUAGES)}" for code in task.languages if code not in LANGUAGES
    )
    if not task.languages or (Role.INTERMEDIATE in task.roles and ENGLISH not in task.languages):
        yield "expected languages: English for an intermediate task, at least one for a target task"
    if bool(task.labels) != (task.kind in _LABELLED) and task.kind is not Kind.TOKEN:
        wanted = "expected labels" if task.kind in _LABELLED else "expected no labels"
        yield f"labels is {task.labels!r}, {wanted} of a task of kind {task.kind}"


def _in_sources(task: Task) -> Iterator[str]:
    if bool(task.sources) == bool(task.union):
        yield "expected either sources or a union of other tasks"
    sources: tuple[Any, ...] = task.sources
    for source in sources:
        if not isinstance(source, Source) or not isinstance(source.patterns, tuple) or not callable(source.parse):
            yield f"{source!r} is no Source of a split, a tuple of file patterns, and a reader"
            continue
        for pattern in source.patterns:
            if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts:
                yield f"the file pattern {pattern!r} leaves the data folder"
    splits = {source.split for part in task.union or (task,) for source in part.sources}
    wanted = {Split.TRAIN} if task.kind is Kind.MASKED else {Split.DEV, Split.TEST}
    if task.sources and not splits & wanted:
        yield f"no source of {' or '.join(sorted(wanted))}, so that it could never be scored"


def _in_training(task: Task, others: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the task that this one is trained on before it is evaluated."""
    if not task.training_set:
        if task.kind is not Kind.RETRIEVAL:
            yield "no training_set: name the task it is trained on, itself where it has a training file"
        return
    other = task if task.training_set == task.name else others.get(task.training_set)
    if not isinstance(other, Task):
        yield f"training_set {task.training_set!r} is no task; {nearest(task.training_set, others)}"
        return
    if (other.kind, other.labels) != (task.kind, task.labels):
        yield f"it is trained on {other.name}, which has another kind or other labels"
    if not all(any(s.split is Split.TRAIN for s in part.sources) for part in other.union or (other,)):
        yield f"{other.name}, which it is trained on, has no source of the split train"
    if Role.INTERMEDIATE in task.roles and other is not task:
        yield f"an intermediate task is trained on itself, not on {other.name}"
