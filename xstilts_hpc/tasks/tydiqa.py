"""TyDiQA-GoldP: questions by people who did not know the answer; trained on its English part only."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from xstilts_hpc.examples import Example, Kind, SpanExample
from xstilts_hpc.languages import ENGLISH, LANGUAGES
from xstilts_hpc.metrics.squad import SQUAD
from xstilts_hpc.tasks.base import TARGET, BadRowError, Source, Split, Task, in_english
from xstilts_hpc.tasks.download import Download
from xstilts_hpc.tasks.hub import DEV, MOVED, hub_files, refused
from xstilts_hpc.tasks.squad_format import parse_answered
from xstilts_hpc.tasks.squad_v1 import QA_RECIPE
from xstilts_hpc.tasks.stripped_squad import parse_evaluation


def parse_train(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read a training file of one language; its ids are cut short and repeat, so questions are numbered instead."""
    return _numbered(parse_answered(paths, language))


def parse_release_train(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read the release's training file of all languages, whose ids begin with the English name of the language."""
    prefix = f"{LANGUAGES[language].name.lower()}-"
    rows = parse_answered(paths, language)
    return _numbered(row for row in rows if isinstance(row, BadRowError) or row.id.startswith(prefix))


def _numbered(rows: Iterator[Example | BadRowError]) -> Iterator[Example | BadRowError]:
    for number, row in enumerate(rows, 1):
        yield replace(row, id=f"train-{number}") if isinstance(row, SpanExample) else row


_TRAIN = "tydiqa-goldp-v1.1-train/tydiqa.goldp.{language}.train.json"
_RELEASE_TRAIN = "tydiqa-goldp-v1.1-train.json"
_MOVED = f"{MOVED}; get the release (xstilts data fetch tydiqa)"
_LANGUAGES = ("ar", "bn", "en", "fi", "id", "ko", "ru", "sw", "te")
# Only the English training file is trained on, so those of other languages serve as dev where test has no answers.
_NOT_TRAINED_ON = tuple(code for code in _LANGUAGES if code != ENGLISH)

# Of the training files of other languages no counts are known here but their sum, 46,185 questions.
# The official test set is hidden: XTREME scores the official dev set, which is therefore the test split here.
_TEST = {
    "ar": 921,
    "bn": 113,
    "en": 440,
    "fi": 782,
    "id": 565,
    "ko": 276,
    "ru": 812,
    "sw": 499,
    "te": 669,
}

TYDIQA = Task(
    name="tydiqa",
    title="TyDiQA-GoldP",
    kind=Kind.SPAN,
    roles=TARGET,
    metric=SQUAD,
    languages=_LANGUAGES,
    training_set="tydiqa",
    published=in_english(3_696) | {Split.TEST: _TEST},
    characters=666.0,
    recipe=QA_RECIPE,
    dev_set="training files of languages that are not trained on",
    sources=(
        Source(Split.TRAIN, (_TRAIN,), parse_train, (ENGLISH,)),
        Source(Split.TRAIN, (_RELEASE_TRAIN,), parse_release_train, (ENGLISH,)),
        Source(Split.DEV, (_TRAIN,), parse_train, _NOT_TRAINED_ON),
        Source(Split.DEV, (_RELEASE_TRAIN,), parse_release_train, _NOT_TRAINED_ON),
        Source(Split.TEST, ("tydiqa-goldp-v1.1-dev/tydiqa-goldp-dev-{name}.json",), parse_evaluation),
        Source(Split.TEST, ("tydiqa-goldp-v1.1-dev/tydiqa.goldp.{language}.dev.json",), parse_evaluation),
        *(
            refused(split, hub_files("google/xtreme", "tydiqa", name), _MOVED)
            for split, name in ((Split.TRAIN, "train"), (Split.DEV, "train"), (Split.TEST, DEV))
        ),
    ),
    origin="https://storage.googleapis.com/tydiqa/v1.1/ (Clark et al. 2020)",
    licence="Apache 2.0",
    downloads=(
        Download(
            ("https://storage.googleapis.com/tydiqa/v1.1/tydiqa-goldp-v1.1-train.json",),
            "tydiqa/tydiqa-goldp-v1.1-train.json",
            sha256="cefc8e09ff2548d9b10a678d3a6bbbe5bc036be543f92418819ea676c97be23b",
            num_bytes=58_004_076,
        ),
        # Bytes and digest: tensorflow/datasets, url_checksums/tydi_qa.txt.
        Download(
            ("https://storage.googleapis.com/tydiqa/v1.1/tydiqa-goldp-v1.1-dev.tgz",),
            "tydiqa",
            tuple(f"tydiqa-goldp-v1.1-dev/tydiqa-goldp-dev-{LANGUAGES[code].name.lower()}.json" for code in _LANGUAGES),
            sha256="5a415d019a345794c8a83191ecfe4a761eaab69dab79c3c9813d4379e1cc5519",
            num_bytes=1_725_055,
        ),
    ),
)
