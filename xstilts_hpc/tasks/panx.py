"""PAN-X (WikiANN): which words name a person, an organisation or a place?"""

from collections.abc import Iterator
from pathlib import Path

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Kind, TokenExample
from xstilts_hpc.languages import XTREME
from xstilts_hpc.metrics.entities import ENTITY_F1
from xstilts_hpc.tasks.base import TARGET, Source, Split, Task
from xstilts_hpc.tasks.lines import label_in, read_lines

_LABELS = ("B-LOC", "B-ORG", "B-PER", "I-LOC", "I-ORG", "I-PER", "O")


def parse(paths: tuple[Path, ...], language: str) -> Iterator[TokenExample]:
    """Read `token TAB tag` lines with a blank line between sentences; stripped test files have no tag."""
    (path,) = paths
    rows: list[tuple[int, list[str]]] = []
    for number, line in read_lines(path):
        if line:
            rows.append((number, line.split("\t")))
        elif rows:
            yield _sentence(rows, language, path)
            rows = []
    if rows:
        yield _sentence(rows, language, path)


def _sentence(rows: list[tuple[int, list[str]]], language: str, path: Path) -> TokenExample:
    width = len(rows[0][1])
    expected = f"{width} as in the row before" if width in (1, 2) else "1 or 2"
    for number, row in rows:
        if len(row) != width or width not in (1, 2):
            line = "\t".join(row)
            raise DataError(f"{path}:{number}: {len(row)} columns, expected {expected}: {line[:80]!r}")
    words = _without_language([row[0] for _, row in rows], f"{language}:")
    tags = tuple(label_in(_LABELS, row[1], f"{path}:{number}") for number, row in rows) if width == 2 else None
    return TokenExample(str(rows[0][0]), words, tags)


def _without_language(words: list[str], prefix: str) -> tuple[str, ...]:
    """Return the words without the language that the raw release puts before each of them ("af:")."""
    raw = all(word.startswith(prefix) for word in words)
    return tuple(word.removeprefix(prefix) if raw else word for word in words)


PANX = Task(
    name="panx",
    title="PAN-X",
    kind=Kind.TOKEN,
    roles=TARGET,
    metric=ENTITY_F1,
    languages=XTREME,
    labels=_LABELS,
    training_set="panx",
    recipe={"epochs": 10},
    sources=(
        Source(Split.TRAIN, ("panx/train-{language}.tsv",), parse),
        Source(Split.TEST, ("panx/test-{language}.tsv",), parse),
        Source(Split.DEV, ("panx/dev-{language}.tsv",), parse),
    ),
    origin="https://github.com/afshinrahimi/mmner (Pan et al. 2017, splits of Rahimi et al. 2019)",
    licence="not stated (Wikipedia text is CC BY-SA)",
)
