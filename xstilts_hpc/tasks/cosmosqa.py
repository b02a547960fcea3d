"""Cosmos QA: which of four answers fits what the text leaves unsaid?"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from xstilts_hpc.examples import ChoiceExample, Example, Kind
from xstilts_hpc.metrics.accuracy import ACCURACY
from xstilts_hpc.tasks.base import INTERMEDIATE, BadRowError, Source, Split, Task, in_english
from xstilts_hpc.tasks.download import HubFiles, same_place
from xstilts_hpc.tasks.hub import DEV, Row, each_row, hub_files, label_at
from xstilts_hpc.tasks.lines import each_record, label_in
from xstilts_hpc.tasks.values import check_values

_LABELS = ("0", "1", "2", "3")
_ANSWERS = tuple(f"answer{label}" for label in _LABELS)
_TEXTS = ("id", "context", "question", *_ANSWERS)


def parse(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read the release's CSV; the prompt is text and question, as in the study's code (jiant)."""
    (path,) = paths
    return each_record(path, (*_TEXTS, "label"), _example)


def parse_hub(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read the copy on the hub: the same columns, the label as a number."""
    return each_row(paths, (*_TEXTS, "label"), _hub_example)


def _hub_example(path: Path, number: int, row: Row) -> Iterator[ChoiceExample]:
    check_values(row, _TEXTS)
    return _example({**row, "label": label_at(_LABELS, row["label"])})


def _example(row: Mapping[str, str]) -> Iterator[ChoiceExample]:
    label = _LABELS.index(label_in(_LABELS, row["label"]))
    prompt = f"{row['context']} {row['question']}"
    yield ChoiceExample(row["id"], prompt, tuple(row[answer] for answer in _ANSWERS), label)


# The publishers' repository, and the commit of it whose digests these are.
_PLACES = (
    "https://github.com/wilburOne/cosmosqa/raw/master/data/",
    "https://raw.githubusercontent.com/wilburOne/cosmosqa/b6eb99cca4e2a51dd28a9a6f562534872d851639/data/",
)
_FILES = """
train.csv 16660449 d8d5ca1f9f6534b6530550718591af89372d976a8fc419360fab4158dee4d0b2
valid.csv 2128345 a6a94fc1463ca82bb10f98ef68ed535405e6f5c36e044ff8e136b5c19dea63f3
"""

COSMOSQA = Task(
    name="cosmosqa",
    title="Cosmos QA",
    kind=Kind.CHOICE,
    roles=INTERMEDIATE,
    metric=ACCURACY,
    labels=_LABELS,
    training_set="cosmosqa",
    published=in_english(25_262, 2_985),
    characters=1745.3,
    sources=(
        Source(Split.TRAIN, ("cosmosqa/train.csv",), parse),
        Source(Split.TRAIN, ("cosmosqa/data/train.csv",), parse),
        Source(Split.DEV, ("cosmosqa/valid.csv",), parse),
        Source(Split.DEV, ("cosmosqa/data/valid.csv",), parse),
        Source(Split.TRAIN, (hub_files("allenai/cosmos_qa", "*", "train"),), parse_hub),
        Source(Split.DEV, (hub_files("allenai/cosmos_qa", "*", DEV),), parse_hub),
    ),
    origin="https://github.com/wilburOne/cosmosqa, folder data (Huang et al. 2019)",
    licence="CC BY 4.0",
    downloads=same_place(*_PLACES, folder="cosmosqa", files=_FILES),
    hub=(HubFiles("allenai/cosmos_qa", ("default",)),),
)
