"""PAN-X (WikiANN): which words name a person, an organisation or a place?"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from xstilts_hpc.examples import Example, Kind, TokenExample
from xstilts_hpc.languages import XTREME
from xstilts_hpc.metrics.entities import ENTITY_F1
from xstilts_hpc.tasks.base import TARGET, BadRowError, Source, Split, Task, in_english
from xstilts_hpc.tasks.download import HubFiles
from xstilts_hpc.tasks.lines import each_block
from xstilts_hpc.tasks.tagged import TaggedWord, tagged_sentence, tagged_word

_LABELS = ("B-LOC", "B-ORG", "B-PER", "I-LOC", "I-ORG", "I-PER", "O")


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


def _sources(split: Split) -> tuple[Source, ...]:
    """Return the forms of a split: the raw release's folder of a language, with tags; XTREME's file."""
    return (
        Source(split, (f"panx/{{language}}/{split}",), parse),
        Source(split, (f"panx/{split}-{{language}}.tsv",), parse),
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
