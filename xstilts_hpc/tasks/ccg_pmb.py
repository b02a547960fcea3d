"""CCG supertagging on the Parallel Meaning Bank: the free substitute for CCGbank, with other categories and texts."""

from collections.abc import Iterator
from pathlib import Path

from xstilts_hpc.examples import Example, Kind, TokenExample
from xstilts_hpc.metrics.accuracy import TOKEN_ACCURACY
from xstilts_hpc.tasks.base import INTERMEDIATE, BadRowError, Source, Split, Task, in_english
from xstilts_hpc.tasks.download import same_place
from xstilts_hpc.tasks.lines import each_block, fields_of
from xstilts_hpc.tasks.tagged import TaggedWord, tagged_sentence

_FOLDERS = ("pmb-4.0.0/en/gold", "ccg/pmb-4.0.0/en/gold", "layer_data/4.0.0/en/gold")


def parse(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read the gold layers: 7 columns, the word in the first (`~` is a space in it) and its category in the fifth.

    A document may hold several sentences, with a blank line between; ids are line numbers.
    """
    (path,) = paths
    return each_block(path, _word, _sentence, comment=("###", "# "))


def _word(line: str) -> TaggedWord:
    row = fields_of(line, (7,))
    return row[0].replace("~", " "), (row[4],)


def _sentence(number: int, rows: list[TaggedWord]) -> Iterator[TokenExample]:
    yield tagged_sentence(number, rows)


# Digests of the files at this commit.
_PINNED = (
    "https://raw.githubusercontent.com/RikVN/DRS_parsing/190838f9adea2af616eb76156d2e66c8565a6c6e/"
    "parsing/layer_data/4.0.0/en/gold/"
)
_FILES = """
train.conll 3086378 cdbb6035a71112ad1c0e1707b9a16f7180cc78fe6e5d308f9240ec2da22a3f7a
dev.conll 454715 ac2abf3c55607a13efea523d258854633b1225d6173031e69bf56023adafc761
test.conll 419272 1c6c137292ad2cb6750fa2fd22655bb17eb71aa282b9e15b88ba0a11217c83c9
"""

CCG_PMB = Task(
    name="ccg_pmb",
    title="CCG (PMB 4.0.0)",
    kind=Kind.TOKEN,
    roles=INTERMEDIATE,
    metric=TOKEN_ACCURACY,
    training_set="ccg_pmb",
    # As counted in the files that `downloads` names by their digests.
    published=in_english(7_745, 1_174),
    characters=24.7,
    sources=tuple(
        Source(split, (f"{folder}/{split}.conll",), parse)
        for split in (Split.TRAIN, Split.DEV, Split.TEST)
        for folder in _FOLDERS
    ),
    origin="https://github.com/RikVN/DRS_parsing, folder parsing/layer_data/4.0.0 (Abzianidze et al. 2017)",
    licence="MIT (that repository; it does not state the Parallel Meaning Bank's own terms)",
    downloads=same_place(_PINNED, folder="pmb-4.0.0/en/gold", files=_FILES),
)
