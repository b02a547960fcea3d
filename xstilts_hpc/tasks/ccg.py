"""CCG supertagging on CCGbank: which category does each word have? Licensed data; `ccg_pmb` is the free substitute."""

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Example, Kind, TokenExample
from xstilts_hpc.metrics.accuracy import TOKEN_ACCURACY
from xstilts_hpc.tasks.base import INTERMEDIATE, BadRowError, Source, Split, Task, in_english
from xstilts_hpc.tasks.lines import each_line, fields_of, read_json_object

# The study's code splits CCGbank so (scripts/ccg of jiant 1), not 02-21 / 00 / 23 as parsers do.
_SECTIONS = {Split.TRAIN: ("0[0-9]", "1[0-8]"), Split.DEV: ("19", "2[01]"), Split.TEST: ("2[2-4]",)}
_NUM_SECTIONS = 25
# Where the sections may lie: the release unpacks to ccgbank_1_1.
_FOLDERS = ("ccgbank_1_1/data/AUTO", "data/AUTO", "AUTO")
# A leaf is `(<L category tag tag word category-with-indices>)` (CCGbank manual, Hockenmaier and Steedman 2005).
_LEAF = re.compile(r"\(<L (\S+) \S+ \S+ (\S+) \S+>\)")


def parse_auto(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read derivations, each after a line with its ID; words and categories stand as they are (-LRB-, S[dcl])."""
    _check_sections(paths)
    for path in paths:
        yield from _parse_file(path)


def _check_sections(paths: tuple[Path, ...]) -> None:
    """Refuse an incomplete release: fewer sections would be another training set under the same name."""
    found = {path.parent.name for path in paths}
    sections = [f"{number:02}" for number in range(_NUM_SECTIONS)]
    for patterns in _SECTIONS.values():
        wanted = {name for name in sections if any(fnmatch(name, pattern) for pattern in patterns)}
        if found & wanted and wanted - found:
            missing = ", ".join(sorted(wanted - found))
            raise DataError(f"{paths[0].parents[1]}: no CCGbank sections {missing}; copy the whole AUTO folder")


def _parse_file(path: Path) -> Iterator[Example | BadRowError]:
    name = ""

    def sentence(number: int, line: str) -> Iterator[TokenExample]:
        nonlocal name
        if line.startswith("ID="):
            name = line.split()[0].removeprefix("ID=")
        elif line.strip():
            words, categories = _leaves(line)
            yield TokenExample(name, words, categories)

    return each_line(path, sentence)


def _leaves(derivation: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words and the categories of a derivation."""
    leaves = _LEAF.findall(derivation)
    nodes = _LEAF.sub("", derivation)
    if not leaves or "<L" in nodes or nodes.count("(") != nodes.count(")"):
        raise DataError("not a whole derivation, with leaves like (<L category tag tag word category>)")
    return tuple(word for _, word in leaves), tuple(category for category, _ in leaves)


def parse_jiant(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read jiant's copy: words, tab, tags, both with spaces between.

    A tag is a category, or its number in the file tags_to_id.json; without that file tags stay as they are.
    """
    path, *index = paths
    numbers = {tag: str(number) for file in index for tag, number in read_json_object(file).items()}
    category_of = {number: tag for tag, number in numbers.items()} | {tag: tag for tag in numbers}

    def sentence(number: int, line: str) -> Iterator[TokenExample]:
        words, tags = (tuple(field.split(" ")) for field in fields_of(line.rstrip(" "), (2,)))
        if len(words) != len(tags):
            raise DataError(f"{len(words)} words and {len(tags)} tags, expected a tag a word")
        unknown = [tag for tag in tags if index and tag not in category_of]
        if unknown:
            raise DataError(f"unknown tag {unknown[0]!r}, expected one of the {len(numbers)} of {index[0].name}")
        yield TokenExample(str(number), words, tuple(category_of.get(tag, tag) for tag in tags))

    return each_line(path, sentence)


def _sources(split: Split) -> tuple[Source, ...]:
    trees = (tuple(f"{folder}/{part}/*.auto" for part in _SECTIONS[split]) for folder in _FOLDERS)
    copies = ((f"ccg.{split}", "tags_to_id.json"), (f"ccg.{split}",))
    auto = [Source(split, patterns, parse_auto) for patterns in trees]
    return (*auto, *(Source(split, patterns, parse_jiant) for patterns in copies))


# No count is published: about 40,000 sentences to train on, and 3 sections of dev beside those 19; about 24 words each.
CCG = Task(
    name="ccg",
    title="CCG (CCGbank)",
    kind=Kind.TOKEN,
    roles=INTERMEDIATE,
    metric=TOKEN_ACCURACY,
    training_set="ccg",
    published=in_english(40_000, 6_000),
    rough="no count of CCGbank's sentences is published",
    characters=110.0,
    sources=tuple(source for split in _SECTIONS for source in _sources(split)),
    origin="https://catalog.ldc.upenn.edu/LDC2005T13 (CCGbank 1.1; needs the LDC's licence, ccg_pmb is free)",
    licence="LDC User Agreement (LDC2005T13); not distributable",
    by_hand=(
        "CCGbank needs a licence of the Linguistic Data Consortium: get LDC2005T13 from "
        "https://catalog.ldc.upenn.edu/LDC2005T13 and put its folder data/AUTO under the data folder; "
        "without a licence use ccg_pmb, which `xstilts data fetch ccg_pmb` brings"
    ),
)
