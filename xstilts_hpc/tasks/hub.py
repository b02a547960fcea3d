"""Read the parquet copies of data sets on the Hugging Face hub into the examples that the publishers' files give.

They lie at `hub/<owner>--<name>/<configuration>/<split>-*.parquet` under a data folder. Columns and the order of labels
are those of the data sets' cards; a label is a number there, and its order is not XTREME's.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Answer, Example, SequenceExample, SpanExample
from xstilts_hpc.tasks.base import BadRowError, Source, Split, Task
from xstilts_hpc.tasks.values import check_items, check_type, check_values

# The order of the labels of nyu-mll/glue (mnli), facebook/anli, stanfordnlp/snli and facebook/xnli.
NLI_ORDER = ("entailment", "neutral", "contradiction")
_NO_LABEL = -1
_HUB = "hub/"
# train-00000-of-00002.parquet, older copies with a digest after that; the hub's own conversions are train-0000.parquet.
_SHARD = re.compile(r"-(\d+)(?:-of-(\d+))?(?:-[0-9a-f]+)?\.parquet")
# google/xtreme, XNLI and the GLUE copies call the dev set so.
DEV = "validation"
SPLITS = {Split.TRAIN: "train", Split.DEV: DEV, Split.TEST: "test"}
# As its script does it (huggingface/datasets, datasets/xtreme/xtreme.py), for SQuAD, XQuAD, MLQA and TyDiQA alike.
MOVED = (
    "google/xtreme takes white space off passages and answers and leaves their places as they were, so that answers "
    "are not where they should be"
)

Row = Mapping[str, Any]


def hub_files(name: str, configuration: str, split: str) -> str:
    """Return the pattern of a split's files: of a data set `owner/name`, a configuration or "*", and a split."""
    return f"{_HUB}{name.replace('/', '--')}/{configuration}/{split}-*.parquet"


def is_hub(source: Source) -> bool:
    """Say whether a form of a split is a copy on the hub."""
    return source.patterns[0].startswith(_HUB)


def files_of_one_folder(folder: Path, names: Sequence[str]) -> tuple[Path, ...]:
    """Return the files of some patterns that lie in one folder; () where none has files of each.

    Copies of the same rows may lie in several: `data/` of a clone, `default/` of the hub's conversion. The first by its
    name that has a whole set of shards of each pattern is taken; where none has, the first.
    """
    found = [sorted(path for path in folder.glob(name) if path.is_file()) for name in names]
    parents = sorted({path.parent for paths in found for path in paths})
    groups = [[[path for path in paths if path.parent == parent] for paths in found] for parent in parents]
    full = [group for group in groups if all(group)]
    whole = [group for group in full if all(map(_is_whole, group))]
    return tuple(path for paths in next(iter(whole + full), []) for path in paths)


def _is_whole(paths: Sequence[Path]) -> bool:
    """Say whether files are the shards of one set: each number from 0 once, up to the count where names state it."""
    shards = [_SHARD.search(path.name) for path in paths]
    counts = {shard[2] if shard else None for shard in shards}
    numbers = sorted(int(shard[1]) if shard else 0 for shard in shards)
    (count, *others) = counts
    return not others and numbers == list(range(int(count) if count else len(numbers)))


def _check_whole(paths: Sequence[Path]) -> None:
    for (folder, split), group in groupby(paths, key=lambda path: (path.parent, split_of(path))):
        files = list(group)
        if not _is_whole(files):
            raise DataError(
                f"{folder}: {', '.join(path.name for path in files)} are not one set of shards of {split} (expected "
                "those of one -of-N, numbered from 0 to N-1, each once); move away those of another set, or all "
                "and fetch or import again"
            )


def each_row(
    paths: Sequence[Path], columns: Sequence[str], make: Callable[[Path, int, Row], Iterable[Example]]
) -> Iterator[Example | BadRowError]:
    """Yield what `make` gives for (file, number from 1 over all files, row); its DataError becomes a BadRowError.

    Files that are not whole sets of shards are a DataError.
    """
    _check_whole(paths)
    number = 0
    for path in paths:
        for row in _rows(path, columns):
            number += 1
            try:
                yield from list(make(path, number, row))
            except DataError as error:
                yield BadRowError(f"{path}: row {number}: {error}")


def _rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            names = file.schema_arrow.names
            missing = [column for column in columns if column not in names]
            if missing:
                raise DataError(
                    f"{path}: no column {', '.join(missing)}; it has {', '.join(names)}; is it another data set?"
                )
            for batch in file.iter_batches(columns=list(columns)):
                yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:  # damaged texts and dates too
        raise DataError(f"{path}: not a readable parquet file ({error}); fetch it again") from error


def split_of(path: Path) -> str:
    """Return the split that the name of a hub file begins with."""
    return path.name.partition("-")[0]


def label_at(names: Sequence[str], number: Any) -> str:
    """Return the label of a number; one that is out of range is a DataError."""
    check_type("label", number, int)
    if not 0 <= number < len(names):
        raise DataError(f"label {number}, expected 0 to {len(names) - 1} for {', '.join(names)}")
    return names[int(number)]


@dataclass(frozen=True)
class Pairs:
    """Reads pairs of texts: the columns of both, labels in the order of their numbers, ids from (file, number, row).

    Rows without a label (-1) are left out, as the readers of the publishers' files do.
    """

    first: str
    second: str
    labels: tuple[str, ...]
    name: Callable[[Path, int, Row], str]
    others: tuple[str, ...] = ()

    def parse(self, paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
        """Read the files, numbered as one."""
        return each_row(paths, (self.first, self.second, "label", *self.others), self._example)

    def _example(self, path: Path, number: int, row: Row) -> Iterator[SequenceExample]:
        check_values(row, (self.first, self.second), label=int)
        if row["label"] != _NO_LABEL:
            label = label_at(self.labels, row["label"])
            yield SequenceExample(self.name(path, number, row), row[self.first], row[self.second], label)


def parse_spans(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read questions in the columns of rajpurkar/squad; no answer means that there is none."""
    return each_row(paths, ("id", "question", "context", "answers"), _span)


def _span(path: Path, number: int, row: Row) -> Iterator[SpanExample]:
    check_values(row, ("id", "question", "context"), answers=dict)
    texts, starts = row["answers"].get("text"), row["answers"].get("answer_start")
    check_type("answers.text", texts, list)
    check_type("answers.answer_start", starts, list)
    check_items("answers.text", texts, str)
    check_items("answers.answer_start", starts, int)
    if len(texts) != len(starts):
        raise DataError(f"{len(texts)} answers with {len(starts)} places")
    answers = tuple(_answer(text, start, row["context"]) for text, start in zip(texts, starts, strict=True))
    yield SpanExample(row["id"], row["question"], row["context"], answers)


def _answer(text: str, start: int, context: str) -> Answer:
    if start < 0 or not context.startswith(text, start):
        raise DataError(f"answer {text!r} is not at character {start}, found {context[start : start + len(text)]!r}")
    return Answer(text, start)


def refused(split: Split, pattern: str, reason: str) -> Source:
    """Return a copy of a split that must not be used: reading it is an error that says why."""

    def parse(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
        raise DataError(f"{paths[0]}: {reason}")

    return Source(split, (pattern,), parse, usable=False)


def refused_part(task: Task) -> Task:
    """Return a task with those of its forms alone that must not be used, to look for them."""
    return replace(task, sources=tuple(replace(source, usable=True) for source in task.sources if not source.usable))
