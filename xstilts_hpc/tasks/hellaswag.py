"""HellaSwag: which of four endings continues the passage?"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import ChoiceExample, Example, Kind
from xstilts_hpc.metrics.accuracy import ACCURACY
from xstilts_hpc.tasks.base import INTERMEDIATE, BadRowError, Source, Split, Task, in_english
from xstilts_hpc.tasks.download import HubFiles, same_place
from xstilts_hpc.tasks.hub import DEV, Row, each_row, hub_files, split_of
from xstilts_hpc.tasks.lines import each_line, object_of
from xstilts_hpc.tasks.values import check_items, check_values

_LABELS = ("0", "1", "2", "3")


def parse(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read the release's JSON Lines; `ind` is not unique, so ids are line numbers."""
    (path,) = paths

    def example(number: int, line: str) -> Iterator[ChoiceExample]:
        yield _example(f"{path.stem}-{number}", object_of(line, (), endings=list))

    return each_line(path, example)


def parse_hub(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read the copy on the hub, whose rows are in the order of the release's files: ids are the same."""
    stem = {"train": "hellaswag_train", DEV: "hellaswag_val"}[split_of(paths[0])]

    def example(path: Path, number: int, row: Row) -> Iterator[ChoiceExample]:
        yield _example(f"{stem}-{number}", row)

    return each_row(paths, ("ctx_a", "ctx_b", "endings", "label", "source_id"), example)


def _example(name: str, row: Mapping[str, Any]) -> ChoiceExample:
    check_values(row, ("ctx_a", "ctx_b"), endings=list)
    check_items("endings", row["endings"], str)
    return ChoiceExample(name, row["ctx_a"], _choices(row), _label(row), _source(row))


def _choices(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the four endings, each behind the started sentence `ctx_b` (empty for WikiHow)."""
    return tuple(f"{row['ctx_b']} {ending}".strip() for ending in row["endings"])


def _source(row: Mapping[str, Any]) -> str:
    """Return where the passage is from: what stands before "~" in `source_id`, activitynet or wikihow."""
    return str(row.get("source_id", "")).partition("~")[0]


def _label(row: Mapping[str, Any]) -> int | None:
    """Return the index of the right ending: an int or a digit in a string, "" in the test file."""
    text = str(row.get("label", ""))
    if text not in ("", *_LABELS) or len(row["endings"]) != len(_LABELS):
        raise DataError(f"label {text!r} for {len(row['endings'])} endings, expected 0 to 3 for 4 endings")
    return int(text) if text else None


_FILES = """
hellaswag_train.jsonl 47496131 dae5e69249868cb9fe4e23ff925c60b66169564cfb7072d793cd7356a2b69f8d
hellaswag_val.jsonl 12246618 0aa3b88843990f3f10a97b9575c94d7b71fb2205240ba04ae4884d9e9c992588
"""

HELLASWAG = Task(
    name="hellaswag",
    title="HellaSwag",
    kind=Kind.CHOICE,
    roles=INTERMEDIATE,
    metric=ACCURACY,
    labels=_LABELS,
    training_set="hellaswag",
    published=in_english(39_905, 10_042),
    characters=1432.8,
    strata="source",
    sources=(
        Source(Split.TRAIN, ("hellaswag_train.jsonl",), parse),
        Source(Split.DEV, ("hellaswag_val.jsonl",), parse),
        Source(Split.TRAIN, (hub_files("Rowan/hellaswag", "*", "train"),), parse_hub),
        Source(Split.DEV, (hub_files("Rowan/hellaswag", "*", DEV),), parse_hub),
    ),
    origin="https://github.com/rowanz/hellaswag, folder data (Zellers et al. 2019)",
    licence="MIT",
    downloads=same_place("https://github.com/rowanz/hellaswag/raw/master/data/", folder="hellaswag", files=_FILES),
    hub=(HubFiles("Rowan/hellaswag", ("default",)),),
)
