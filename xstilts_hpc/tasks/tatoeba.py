"""Tatoeba: find the translation of each English sentence; nothing is trained."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Kind, RetrievalExample
from xstilts_hpc.metrics.accuracy import ACCURACY
from xstilts_hpc.tasks.base import TARGET, Source, Split, Task
from xstilts_hpc.tasks.lines import read_lines


def parse_aligned(paths: tuple[Path, ...], language: str) -> Iterator[RetrievalExample]:
    """Read LASER's form: line i of the one file is the translation of line i of the other."""
    return _pairs(language, *_texts(paths))


def parse_sorted_with_labels(paths: tuple[Path, ...], language: str) -> Iterator[RetrievalExample]:
    """Read XTREME's form beside a file of labels: for each line of the sorted English file, its place before sorting.

    With the English sentences put back, the examples are those of LASER's form.
    """
    *text_paths, label_path = paths
    foreign, english = _texts(text_paths)
    labels = [label for _, label in read_lines(label_path)]
    if sorted(labels) != sorted(map(str, range(len(english)))):
        raise DataError(
            f"{label_path}: {len(labels)} labels, expected each of 0 to {len(english) - 1} once, for the lines of "
            f"{text_paths[1]}; write the file again"
        )
    text_of = dict(zip(labels, english, strict=True))
    return _pairs(language, foreign, [text_of[str(i)] for i in range(len(english))])


def parse_sorted(paths: tuple[Path, ...], language: str) -> Iterator[RetrievalExample]:
    """Read XTREME's form: the English file is sorted, so that nothing says which lines are translations."""
    foreign, english = _texts(paths)
    for i, text in enumerate(foreign):
        yield RetrievalExample(f"{language}-{i}", text, english=False, translations=None)
    for i, text in enumerate(english):
        yield RetrievalExample(f"en-sorted-{i}", text, english=True, translations=None)


def _texts(paths: Sequence[Path]) -> tuple[list[str], list[str]]:
    foreign, english = ([line for _, line in read_lines(path)] for path in paths)
    if len(foreign) != len(english):
        raise DataError(f"{paths[0]}: {len(foreign)} sentences, but {len(english)} in {paths[1]}")
    return foreign, english


def _pairs(language: str, foreign: Sequence[str], english: Sequence[str]) -> Iterator[RetrievalExample]:
    for i, text in enumerate(foreign):
        yield RetrievalExample(f"{language}-{i}", text, english=False, translations=(f"en-{i}",))
    for i, text in enumerate(english):
        yield RetrievalExample(f"en-{i}", text, english=True, translations=(f"{language}-{i}",))


_LANGUAGES = (
    "af ar bg bn de el es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr nl pt ru sw ta te th tl tr ur vi zh"
)

# Only the names tell the two forms apart: LASER names its files by three letters and keeps translations aligned, XTREME
# by two letters and with the English file sorted. The study's code (jiant) writes the labels file beside XTREME's form.
_ALIGNED = ("tatoeba/tatoeba.{language3}-eng.{language3}", "tatoeba/tatoeba.{language3}-eng.eng")
_SORTED = ("tatoeba/{language}-en.{language}", "tatoeba/{language}-en.en")

# Fewer than 1,000 pairs.
_PAIRS = {
    "jv": 205,
    "ka": 746,
    "kk": 575,
    "ml": 687,
    "sw": 390,
    "ta": 307,
    "te": 234,
    "th": 548,
}

TATOEBA = Task(
    name="tatoeba",
    title="Tatoeba",
    kind=Kind.RETRIEVAL,
    roles=TARGET,
    metric=ACCURACY,
    languages=tuple(_LANGUAGES.split()),
    published={Split.TEST: {code: 2 * _PAIRS.get(code, 1_000) for code in _LANGUAGES.split()}},
    characters=32.0,
    recipe={"max_length": 512},
    sources=(
        Source(Split.TEST, _ALIGNED, parse_aligned),
        Source(Split.TEST, (*_SORTED, "tatoeba/{language}-en.labels"), parse_sorted_with_labels),
        Source(Split.TEST, _SORTED, parse_sorted),
    ),
    origin="https://github.com/facebookresearch/LASER, data/tatoeba/v1 (Artetxe and Schwenk 2019)",
    licence="CC BY 2.0 FR (Tatoeba)",
)
