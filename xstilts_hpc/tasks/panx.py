"""PAN-X (WikiANN): which words name a person, an organisation or a place?"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Example, Kind, TokenExample
from xstilts_hpc.languages import XTREME
from xstilts_hpc.metrics.entities import ENTITY_F1
from xstilts_hpc.tasks.base import TARGET, BadRowError, Source, Split, Task, in_english
from xstilts_hpc.tasks.download import HubFiles
from xstilts_hpc.tasks.hub import SPLITS, Row, each_row, hub_files, label_at
from xstilts_hpc.tasks.lines import each_block
from xstilts_hpc.tasks.tagged import TaggedWord, tagged_sentence, tagged_word
from xstilts_hpc.tasks.values import check_items, check_values

_LABELS = ("B-LOC", "B-ORG", "B-PER", "I-LOC", "I-ORG", "I-PER", "O")
_HUB_LABELS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")


def parse(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read `token TAB tag` lines with a blank line between sentences; stripped test files have no tag."""
    (path,) = paths
    return each_block(path, partial(tagged_word, labels=_LABELS), partial(_sentence, language))


def _sentence(language: str, number: int, rows: list[TaggedWord]) -> Iterator[TokenExample]:
    """Yield a sentence, without the language that the raw release puts before each word ("af:")."""
    prefix = f"{language}:"
    if all(word.startswith(prefix) for word, _ in rows):
        rows = [(word.removeprefix(prefix), tags) for word, tags in rows]
    yield tagged_sentence(number, rows)


def parse_hub(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read the copy on the hub; a sentence has the number of the line that it begins at in the release's file."""
    first = 1

    def sentence(path: Path, number: int, row: Row) -> Iterator[TokenExample]:
        nonlocal first
        check_values(row, (), tokens=list, ner_tags=list)
        check_items("tokens", row["tokens"], str)
        name, first = str(first), first + len(row["tokens"]) + 1
        if len(row["tokens"]) != len(row["ner_tags"]):
            raise DataError(f"{len(row['ner_tags'])} tags for {len(row['tokens'])} words")
        tags = tuple(label_at(_HUB_LABELS, tag) for tag in row["ner_tags"])
        yield TokenExample(name, tuple(row["tokens"]), tags)

    return each_row(paths, ("tokens", "ner_tags"), sentence)


def _sources(split: Split) -> tuple[Source, ...]:
    """Return the forms of a split: the raw release's folder of a language, with tags; XTREME's file."""
    return (
        Source(split, (f"panx/{{language}}/{split}",), parse),
        Source(split, (f"panx/{split}-{{language}}.tsv",), parse),
        Source(split, (hub_files("google/xtreme", "PAN-X.{language}", SPLITS[split]),), parse_hub),
    )


# Languages with fewer than 10,000 sentences in the test set.
_WITH_1000 = ("af", "bn", "hi", "kk", "ml", "mr", "ms", "sw", "ta", "te", "tl", "ur")
_WITH_100 = ("jv", "my", "yo")
# The dev set of a language is as large as its test set.
_TEST = dict.fromkeys(XTREME, 10_000) | dict.fromkeys(_WITH_1000, 1_000) | dict.fromkeys(_WITH_100, 100)

PANX = Task(
    name="panx",
    title="PAN-X",
    kind=Kind.TOKEN,
    roles=TARGET,
    metric=ENTITY_F1,
    languages=XTREME,
    labels=_LABELS,
    training_set="panx",
    published=in_english(20_000) | {Split.DEV: _TEST, Split.TEST: _TEST},
    characters=33.8,
    recipe={"epochs": 10},
    sources=(*_sources(Split.TRAIN), *_sources(Split.TEST), *_sources(Split.DEV)),
    origin="https://github.com/afshinrahimi/mmner (Pan et al. 2017, splits of Rahimi et al. 2019)",
    licence="not stated (Wikipedia text is CC BY-SA)",
    by_hand=(
        "the publishers' own link is dead (google-research/xtreme, issue 101): download "
        "https://www.dropbox.com/s/12h3qqog6q4bjve/panx_dataset.tar (of https://github.com/afshinrahimi/mmner) in a "
        "browser, and unpack each language: panx/LL/train, panx/LL/dev and panx/LL/test under the data folder; "
        "or `xstilts data fetch panx --from hub`"
    ),
    hub=(HubFiles("google/xtreme", tuple(f"PAN-X.{code}" for code in XTREME)),),
)
