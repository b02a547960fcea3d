"""UDPOS: the part of speech of each word; all Universal Dependencies treebanks of a language together."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from xstilts_hpc.examples import Example, Kind, TokenExample
from xstilts_hpc.languages import ENGLISH
from xstilts_hpc.metrics.chunks import CHUNK_F1
from xstilts_hpc.tasks.base import TARGET, BadRowError, Source, Split, Task, in_english
from xstilts_hpc.tasks.conllu import UPOS, parse_conllu
from xstilts_hpc.tasks.download import Download
from xstilts_hpc.tasks.hub import SPLITS, hub_files, refused
from xstilts_hpc.tasks.lines import each_block
from xstilts_hpc.tasks.tagged import TaggedWord, numbered, tagged_sentence, tagged_word


def parse_xtreme(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read XTREME's `word TAB tag` lines; stripped test files have no tag."""
    (path,) = paths
    return numbered(each_block(path, partial(tagged_word, labels=UPOS), _sentence))


def _sentence(number: int, rows: list[TaggedWord]) -> Iterator[TokenExample]:
    yield tagged_sentence(number, rows)


_LANGUAGES = "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th tl tr ur vi yo zh"


_NOT_FUSED = (
    "google/xtreme leaves out the fused words that XTREME tags, and takes in treebanks of other languages; get the "
    "treebanks (xstilts data fetch udpos)"
)


def _sources(split: Split) -> tuple[Source, ...]:
    """Return the forms of a split: treebanks in one folder, the release's folders, XTREME's file."""
    treebanks = f"{{language}}_*-ud-{split}.conllu"
    return (
        Source(split, (f"udpos/{treebanks}",), parse_conllu),
        Source(split, (f"ud-treebanks-v2.5/UD_*/{treebanks}",), parse_conllu),
        Source(split, (f"udpos/{split}-{{language}}.tsv",), parse_xtreme),
        refused(split, hub_files("google/xtreme", "udpos.*", SPLITS[split]), _NOT_FUSED),
    )


# Sentences of XTREME's own files, as counted in a copy of its download/udpos; hu, ko, mr and tl as in Hugging Face's
# rebuild (huggingface/datasets, datasets/xtreme). That one has more in de, el, fr, ru and zh, for it takes every folder
# named *_<language>*: Swiss German, Ancient Greek, Old French, Old Russian and Classical Chinese too.
_TEST = {
    "af": 425,
    "ar": 1_680,
    "bg": 1_116,
    "de": 22_358,
    "el": 456,
    "en": 5_440,
    "es": 3_147,
    "et": 3_760,
    "eu": 1_799,
    "fa": 600,
    "fi": 4_422,
    "fr": 5_009,
    "he": 491,
    "hi": 2_684,
    "hu": 449,
    "id": 1_557,
    "it": 3_518,
    "ja": 2_372,
    "kk": 1_047,
    "ko": 4_276,
    "mr": 47,
    "nl": 1_471,
    "pt": 2_681,
    "ru": 8_976,
    "ta": 120,
    "te": 146,
    "th": 1_000,
    "tl": 55,
    "tr": 4_785,
    "ur": 535,
    "vi": 800,
    "yo": 100,
    "zh": 3_455,
}

_DEV = {
    "af": 194,
    "ar": 909,
    "bg": 1_115,
    "de": 19_233,
    "el": 403,
    "en": 3_974,
    "es": 3_054,
    "et": 3_125,
    "eu": 1_798,
    "fa": 599,
    "fi": 3_239,
    "fr": 2_903,
    "he": 484,
    "hi": 1_659,
    "hu": 441,
    "id": 559,
    "it": 2_278,
    "ja": 511,
    "ko": 3_016,
    "mr": 46,
    "nl": 1_394,
    "pt": 1_770,
    "ru": 8_108,
    "ta": 80,
    "te": 131,
    "tr": 988,
    "ur": 552,
    "vi": 800,
    "zh": 1_000,
}

# Kazakh, Thai, Tagalog and Yoruba have no dev file in UD 2.5.
_WITHOUT_DEV = ("kk", "th", "tl", "yo")
# What is read of the release: English to train on, and what is scored.
_NEEDED = tuple(
    f"ud-treebanks-v2.5/UD_*/{code}_*-ud-{split}.conllu"
    for code in _LANGUAGES.split()
    for split in (Split.TRAIN, Split.DEV, Split.TEST)
    if (code == ENGLISH or split is not Split.TRAIN) and (code not in _WITHOUT_DEV or split is not Split.DEV)
)

UDPOS = Task(
    name="udpos",
    title="UDPOS",
    kind=Kind.TOKEN,
    roles=TARGET,
    metric=CHUNK_F1,
    languages=tuple(_LANGUAGES.split()),
    labels=UPOS,
    training_set="udpos",
    published=in_english(21_253) | {Split.DEV: _DEV, Split.TEST: _TEST},
    characters=82.3,
    recipe={"epochs": 10},
    sources=(*_sources(Split.TRAIN), *_sources(Split.TEST), *_sources(Split.DEV)),
    origin="https://lindat.mff.cuni.cz/repository/xmlui/handle/11234/1-3105, ud-treebanks-v2.5.tgz (Zeman et al. 2019)",
    licence="by treebank: CC BY-SA, CC BY-NC-SA and others",
    downloads=(
        Download(
            ("https://lindat.mff.cuni.cz/repository/xmlui/bitstream/handle/11234/1-3105/ud-treebanks-v2.5.tgz",),
            "",
            _NEEDED,
            sha256="5ff973e44345a5f69b94cc1427158e14e851c967d58773cc2ac5a1d3adaca409",
            num_bytes=355_216_681,
        ),
    ),
)
