"""Tatoeba: find the translation of each English sentence; nothing is trained."""

from collections.abc import Iterator
from pathlib import Path

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Kind, RetrievalExample
from xstilts_hpc.metrics.accuracy import ACCURACY
from xstilts_hpc.tasks.base import TARGET, Source, Split, Task
from xstilts_hpc.tasks.lines import read_lines


def parse_aligned(paths: tuple[Path, ...], language: str) -> Iterator[RetrievalExample]:
    """Read LASER's form: line i of the one file is the translation of line i of the other."""
    foreign, english = ([line for _, line in read_lines(path)] for path in paths)
    if len(foreign) != len(english):
        raise DataError(f"{paths[0]}: {len(foreign)} sentences, but {len(english)} in {paths[1]}")
    for i, text in enumerate(foreign):
        yield RetrievalExample(f"{language}-{i}", text, english=False, translations=(f"en-{i}",))
    for i, text in enumerate(english):
        yield RetrievalExample(f"en-{i}", text, english=True, translations=(f"{language}-{i}",))


_LANGUAGES = (
    "af ar bg bn de el es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr nl pt ru sw ta te th tl tr ur vi zh"
)

TATOEBA = Task(
    name="tatoeba",
    title="Tatoeba",
    kind=Kind.RETRIEVAL,
    roles=TARGET,
    metric=ACCURACY,
    languages=tuple(_LANGUAGES.split()),
    recipe={"max_length": 512},
    sources=(
        Source(
            Split.TEST,
            ("tatoeba/tatoeba.{language3}-eng.{language3}", "tatoeba/tatoeba.{language3}-eng.eng"),
            parse_aligned,
        ),
    ),
    origin="https://github.com/facebookresearch/LASER, data/tatoeba/v1 (Artetxe and Schwenk 2019)",
    licence="CC BY 2.0 FR (Tatoeba)",
)
