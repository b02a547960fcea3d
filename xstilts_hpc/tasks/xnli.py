"""XNLI: MNLI's question in 15 languages; trained on MNLI."""

from collections.abc import Iterator
from pathlib import Path

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Example, Kind, SequenceExample
from xstilts_hpc.metrics.accuracy import ACCURACY
from xstilts_hpc.tasks.base import TARGET, BadRow, Source, Split, Task
from xstilts_hpc.tasks.lines import each_line, fields_of, label_in, read_lines
from xstilts_hpc.tasks.nli import NLI_LABELS


def parse_xtreme(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRow]:
    """Read XTREME's form: premise, hypothesis and, except in stripped test files, the label; no header."""
    (path,) = paths

    def example(number: int, line: str) -> Iterator[SequenceExample]:
        premise, hypothesis, *rest = fields_of(line, (2, 3))
        label = label_in(NLI_LABELS, rest[0]) if rest else None
        yield SequenceExample(str(number), premise, hypothesis, label)

    return each_line(path, example)


def parse_with_labels(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRow]:
    """Read a stripped test file beside a file of labels, one a line, that holds for every language."""
    path, label_path = paths
    labels = [label for _, label in read_lines(label_path)]
    num_rows = sum(1 for _ in read_lines(path))
    if num_rows != len(labels):
        raise DataError(f"{path}: {num_rows} rows, but {len(labels)} labels in {label_path}")

    def example(number: int, line: str) -> Iterator[SequenceExample]:
        premise, hypothesis = fields_of(line, (2,))
        yield SequenceExample(str(number), premise, hypothesis, label_in(NLI_LABELS, labels[number - 1]))

    return each_line(path, example)


def parse_release(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRow]:
    """Read XNLI-1.0's own tsv: a header, 19 columns, all languages in one file."""
    (path,) = paths

    def example(number: int, line: str) -> Iterator[SequenceExample]:
        row = fields_of(line, (19,))
        if row[0] == language:
            yield SequenceExample(row[9], row[6], row[7], label_in(NLI_LABELS, row[1]))

    return each_line(path, example, header=True)


XNLI = Task(
    name="xnli",
    title="XNLI",
    kind=Kind.SEQUENCE,
    roles=TARGET,
    metric=ACCURACY,
    languages=("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"),
    labels=NLI_LABELS,
    training_set="mnli",
    recipe={"epochs": 2},
    sources=(
        Source(Split.TEST, ("xnli/test-{language}.tsv", "xnli/test.labels"), parse_with_labels),
        Source(Split.TEST, ("xnli/test-{language}.tsv",), parse_xtreme),
        Source(Split.TEST, ("XNLI-1.0/xnli.test.tsv",), parse_release),
        Source(Split.DEV, ("xnli/dev-{language}.tsv",), parse_xtreme),
        Source(Split.DEV, ("XNLI-1.0/xnli.dev.tsv",), parse_release),
    ),
    origin="https://dl.fbaipublicfiles.com/XNLI/XNLI-1.0.zip (Conneau et al. 2018)",
    licence="CC BY-NC 4.0",
)
