"""CommonsenseQA: which of five answers does common sense choose?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import ChoiceExample, Example, Kind
from xstilts_hpc.metrics.accuracy import ACCURACY
from xstilts_hpc.tasks.base import INTERMEDIATE, BadRowError, Source, Split, Task, in_english
from xstilts_hpc.tasks.download import HubFiles, same_place
from xstilts_hpc.tasks.hub import DEV, Row, each_row, hub_files
from xstilts_hpc.tasks.lines import each_line, label_in, object_of
from xstilts_hpc.tasks.values import check_items, check_type, check_values

_LABELS = ("A", "B", "C", "D", "E")


def parse(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read the release's JSON Lines; the choices in the order of their letters, of which two may be equal."""
    (path,) = paths
    return each_line(path, _example)


def _example(number: int, line: str) -> Iterator[ChoiceExample]:
    row = object_of(line, ("id",), question=dict)
    yield _chosen(row["id"], row["question"], row.get("answerKey"))


def parse_hub(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read the copy on the hub, where the letters and the texts of the choices stand in a list each."""
    return each_row(paths, ("id", "question", "choices", "answerKey"), _hub_example)


def _hub_example(path: Path, number: int, row: Row) -> Iterator[ChoiceExample]:
    check_values(row, ("id", "question", "answerKey"), choices=dict)
    letters, texts = row["choices"].get("label"), row["choices"].get("text")
    check_type("choices.label", letters, list)
    check_type("choices.text", texts, list)
    if len(letters) != len(texts):
        raise DataError(f"{len(letters)} letters for {len(texts)} choices")
    choices = [{"label": letter, "text": text} for letter, text in zip(letters, texts, strict=True)]
    yield _chosen(row["id"], {"stem": row["question"], "choices": choices}, row["answerKey"] or None)


def _chosen(name: str, question: dict[str, Any], key: str | None) -> ChoiceExample:
    """Return an example; without a key nobody says which choice is right."""
    stem, choices = _question(question)
    label = None if key is None else _LABELS.index(label_in(_LABELS, key))
    return ChoiceExample(name, stem, choices, label)


def _question(question: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return the question and its choices."""
    check_values(question, ("stem",), choices=list)
    check_items("choices", question["choices"], dict)
    for choice in question["choices"]:
        check_values(choice, ("label", "text"))
    letters = sorted(choice["label"] for choice in question["choices"])
    if letters != list(_LABELS):
        raise DataError(f"choices {', '.join(letters)}, expected {', '.join(_LABELS)}")
    text_of = {choice["label"]: choice["text"] for choice in question["choices"]}
    return question["stem"], tuple(text_of[label] for label in _LABELS)


# The publishers' place, and a repository whose files have the same digests.
_PLACES = (
    "https://s3.amazonaws.com/commensenseqa/",
    "https://raw.githubusercontent.com/kojima-takeshi188/zero_shot_cot/5ef330fcdeec0cd26aee27943504f91f8ec1c33c/"
    "dataset/CommonsenseQA/",
)
_FILES = """
train_rand_split.jsonl 3785890 58ffa3c8472410e24b8c43f423d89c8a003d8284698a6ed7874355dedd09a2fb
dev_rand_split.jsonl 471653 3210497fdaae614ac085d9eb873dd7f4d49b6f965a93adadc803e1229fd8a02a
"""

COMMONSENSEQA = Task(
    name="commonsenseqa",
    title="CommonsenseQA",
    kind=Kind.CHOICE,
    roles=INTERMEDIATE,
    metric=ACCURACY,
    labels=_LABELS,
    training_set="commonsenseqa",
    published=in_english(9_741, 1_221),
    characters=391.9,
    sources=(
        Source(Split.TRAIN, ("train_rand_split.jsonl",), parse),
        Source(Split.DEV, ("dev_rand_split.jsonl",), parse),
        Source(Split.TRAIN, (hub_files("tau/commonsense_qa", "*", "train"),), parse_hub),
        Source(Split.DEV, (hub_files("tau/commonsense_qa", "*", DEV),), parse_hub),
    ),
    origin="https://s3.amazonaws.com/commensenseqa/ (Talmor et al. 2019)",
    licence="MIT",
    downloads=same_place(*_PLACES, folder="commonsenseqa", files=_FILES),
    hub=(HubFiles("tau/commonsense_qa", ("default",)),),
)
