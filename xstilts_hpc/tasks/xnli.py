"""XNLI: MNLI's question in 15 languages; trained on MNLI."""

from collections.abc import Iterator
from pathlib import Path

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Kind, SequenceExample
from xstilts_hpc.metrics.accuracy import ACCURACY
from xstilts_hpc.tasks.base import TARGET, Source, Split, Task
from xstilts_hpc.tasks.lines import label_in, read_lines, read_rows
from xstilts_hpc.tasks.nli import NLI_LABELS


def parse_xtreme(paths: tuple[Path, ...], language: str) -> Iterator[SequenceExample]:
    """Read XTREME's form: premise, hypothesis and, except in stripped test files, the label; no header."""
    (path,) = paths
    for number, (premise, hypothesis, *rest) in read_rows(path, columns=(2, 3)):
        label = label_in(NLI_LABELS, rest[0], f"{path}:{number}") if rest else None
        yield SequenceExample(str(number), premise, hypothesis, label)


def parse_with_labels(paths: tuple[Path, ...], language: str) -> Iterator[SequenceExample]:
    """Read a stripped test file beside a file of labels, one a line, that holds for every language."""
    path, label_path = paths
    labels = [label_in(NLI_LABELS, line, f"{label_path}:{number}") for number, line in read_lines(label_path)]
    rows = list(read_rows(path, columns=(2,)))
    if len(rows) != len(labels):
        raise DataError(f"{path}: {len(rows)} rows, but {len(labels)} labels in {label_path}")
    for (number, (premise, hypothesis)), label in zip(rows, labels, strict=True):
        yield SequenceExample(str(number), premise, hypothesis, label)


def parse_release(paths: tuple[Path, ...], language: str) -> Iterator[SequenceExample]:
    """Read XNLI-1.0's own tsv: a header, 19 columns, all languages in one file."""
    (path,) = paths
    for number, row in read_rows(path, columns=(19,), header=True):
        if row[0] == language:
            yield SequenceExample(row[9], row[6], row[7], label_in(NLI_LABELS, row[1], f"{path}:{number}"))


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
