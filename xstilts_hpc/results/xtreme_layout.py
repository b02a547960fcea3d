"""Predictions and labels in the layout that XTREME's evaluate.py reads: write them, read them, score them.

Two folders hold a file per task and language, `<task>/test-<language>.tsv` (`.json` for questions). The names say
`test` whatever the split is, since the official script asks for them.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xstilts_hpc.errors import DataError, LogitsError
from xstilts_hpc.examples import Kind
from xstilts_hpc.files import write_text
from xstilts_hpc.logits import Logits, SpanLogits
from xstilts_hpc.scoring import predictions, references
from xstilts_hpc.tasks import task_of
from xstilts_hpc.tasks.base import Task

# google-research/xtreme, evaluate.py: the tables of its leaderboard.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "classification": ("pawsx", "xnli"),
    "tagging": ("udpos", "panx"),
    "qa": ("xquad", "mlqa", "tydiqa"),
    "retrieval": ("bucc2018", "tatoeba"),
}
ALL_TASKS: tuple[str, ...] = tuple(task for tasks in GROUPS.values() for task in tasks)

# Part of the metric -> language -> number in [0, 1].
Parts = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Form:
    """How one shape of answer is written: a file's ending, and the texts of predictions and labels, and back.

    `read` takes the texts of both files and gives predictions and references as metrics take them.
    """

    suffix: str
    write_predictions: Callable[[Sequence[Any], Any], str]
    write_labels: Callable[[Sequence[Any], Any], str]
    read: Callable[[str, str], tuple[list[Any], list[Any]]]


@dataclass(frozen=True)
class XtremeScores:
    """Scores of the tasks that were there, averaged as the official script does."""

    parts: Mapping[str, Parts]

    def averages(self, task: str) -> dict[str, float]:
        """Return the mean over languages of each part of a task's metric."""
        return {part: sum(values.values()) / len(values) for part, values in self.parts[task].items()}

    def tasks(self) -> dict[str, float]:
        """Return one number per task: for questions the mean of exact match and F1."""
        return {task: task_of(task).metric.headline(self.averages(task)) for task in self.parts}

    def groups(self) -> dict[str, float]:
        """Return the mean over tasks of every group that is complete, and of all nine tasks as `all_task`."""
        found = self.tasks()
        groups = {"all_task": ALL_TASKS, **GROUPS}
        complete = {name: tasks for name, tasks in groups.items() if set(tasks) <= set(found)}
        return {name: sum(found[task] for task in tasks) / len(tasks) for name, tasks in complete.items()}

    def official(self) -> dict[str, Any]:
        """Return everything in per cent, in the form of the file that the official script writes."""
        report: dict[str, Any] = {name: 100 * value for name, value in self.groups().items()}
        for task, parts in self.parts.items():
            averages = {**self.averages(task), "metric": self.tasks()[task]}
            by_language = {part: {code: 100 * value for code, value in of.items()} for part, of in parts.items()}
            report[task] = {**by_language, **{f"avg_{name}": 100 * value for name, value in averages.items()}}
        return report


def file_of(folder: Path, task: Task, language: str) -> Path:
    """Return the path of a language's predictions (or labels) in a folder of predictions (or labels)."""
    return folder / task.name / f"test-{language}.{_form(task).suffix}"


def write_language(folders: tuple[Path, Path], task: Task, language: str, logits: Logits) -> None:
    """Write predictions and labels of one language, as whole files, from its logits alone.

    Sentences stay in the order of the data set. For Tatoeba, line i is the i-th English sentence there and the number
    is the position of a foreign sentence; the official files have the English side sorted by its text, which logits
    do not hold, but the official script compares line with line, whatever their order.
    """
    form = _form(task)
    texts = (
        form.write_predictions(predictions(task, logits), logits),
        form.write_labels(references(task, logits), logits),
    )
    for folder, text in zip(folders, texts, strict=True):
        write_text(file_of(folder, task, language), text)


def score_folders(folders: tuple[Path, Path], names: Iterable[str] = ALL_TASKS) -> XtremeScores:
    """Score a folder of predictions against a folder of labels with this project's metrics.

    Of the tasks named, those with a folder on both sides are scored, each in all its languages.

    Raises DataError where a language is missing or the two files of a language do not belong together.
    """
    here = [task_of(name) for name in names if all((folder / name).is_dir() for folder in folders)]
    if not here:
        raise DataError(
            f"no task has a folder both in {folders[0]} and in {folders[1]}; expected {', '.join(ALL_TASKS)}"
        )
    scores = {task.name: {code: _score(folders, task, code) for code in task.languages} for task in here}
    return XtremeScores({name: _by_part(of_task) for name, of_task in scores.items()})


def _by_part(scores: Mapping[str, Mapping[str, float]]) -> Parts:
    parts: dict[str, dict[str, float]] = {}
    for language, of_language in scores.items():
        for part, value in of_language.items():
            parts.setdefault(part, {})[language] = value
    return parts


def _score(folders: tuple[Path, Path], task: Task, language: str) -> Mapping[str, float]:
    predicted, labels = (file_of(folder, task, language) for folder in folders)
    form = _form(task)
    texts = [_text(path, task) for path in (predicted, labels)]
    try:
        return task.metric.compute(*form.read(*texts), language)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(f"{predicted} does not fit {labels}: {error}; write both from the same data") from error


def _text(path: Path, task: Task) -> str:
    if not path.is_file():
        raise DataError(f"{path}: no such file; {task.title} is scored in {' '.join(task.languages)}, write them all")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error})") from error


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.removesuffix("\n").split("\n")] if text else []


def _joined(lines: Iterable[object]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _write_lines(values: Sequence[Any], logits: Logits) -> str:
    return _joined(values)


def _read_lines(predicted: str, labels: str) -> tuple[list[str], list[str]]:
    pair = _lines(predicted), _lines(labels)
    _same_number("lines", *pair)
    return pair


def _same_number(what: str, predicted: Sequence[Any], labels: Sequence[Any]) -> None:
    if len(predicted) != len(labels):
        raise ValueError(f"{len(predicted)} {what} of predictions, {len(labels)} of labels")


def _write_tags(sentences: Sequence[Any], logits: Logits) -> str:
    return _joined(_joined(tags) for tags in sentences)


def _read_tags(predicted: str, labels: str) -> tuple[list[list[str]], list[list[str]]]:
    pair = _sentences(predicted), _sentences(labels)
    _same_number("sentences", *pair)
    return pair


def _sentences(text: str) -> list[list[str]]:
    """Return the sentences that blank lines end; the last one may lack its blank line."""
    sentences: list[list[str]] = [[]]
    for line in _lines(text):
        if line:
            sentences[-1].append(line)
        else:
            sentences.append([])
    return sentences if sentences[-1] else sentences[:-1]


def _write_pairs(pairs: Sequence[Any], logits: Logits) -> str:
    return _joined("\t".join(pair) for pair in pairs)


def _read_pairs(predicted: str, labels: str) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    found, gold = ([tuple(line.split("\t")) for line in _lines(text)] for text in (predicted, labels))
    return found, gold


def _write_answers(answers: Sequence[Any], logits: SpanLogits) -> str:
    if len(set(logits.example_id)) < len(logits.example_id):
        raise LogitsError("some questions have the same id, so the official layout cannot hold an answer for each")
    return _json(dict(zip(logits.example_id, answers, strict=True)))


def _write_questions(answers: Sequence[Any], logits: SpanLogits) -> str:
    """Return SQuAD's JSON; the text of the questions is not in the logits, and no script reads it."""
    assert logits.answers is not None
    paragraphs: list[dict[str, Any]] = [{"context": context, "qas": []} for context in logits.contexts]
    columns = (logits.example_id, logits.example_context.tolist(), logits.answers)
    for name, context, text in zip(*columns, strict=True):
        found = [{"text": answer["text"], "answer_start": answer["start"]} for answer in json.loads(text)]
        paragraphs[context]["qas"].append({"id": name, "question": "", "answers": found})
    return _json({"version": "1.1", "data": [{"title": "", "paragraphs": paragraphs}]})


def _read_answers(predicted: str, labels: str) -> tuple[list[str | None], list[list[str]]]:
    """Return the predicted text of every question of the labels (None where there is none) and its answers."""
    answers, value = json.loads(predicted), json.loads(labels)
    articles = value["data"] if isinstance(value, dict) else value
    questions = [qa for article in articles for paragraph in article["paragraphs"] for qa in paragraph["qas"]]
    return (
        [answers.get(qa["id"]) for qa in questions],
        [[answer["text"] for answer in qa["answers"]] for qa in questions],
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


_LINES = Form("tsv", _write_lines, _write_lines, _read_lines)
_TAGS = Form("tsv", _write_tags, _write_tags, _read_tags)
_PAIRS = Form("tsv", _write_pairs, _write_pairs, _read_pairs)
_QUESTIONS = Form("json", _write_answers, _write_questions, _read_answers)


def _form(task: Task) -> Form:
    if task.mining:
        return _PAIRS
    return {Kind.TOKEN: _TAGS, Kind.SPAN: _QUESTIONS}.get(task.kind, _LINES)
