"""PAWS-X: do two sentences of nearly the same words say the same?"""

from collections.abc import Iterator
from pathlib import Path

from xstilts_hpc.examples import Example, Kind, SequenceExample
from xstilts_hpc.metrics.accuracy import ACCURACY
from xstilts_hpc.tasks.base import TARGET, BadRowError, Departure, Source, Split, Task, in_english
from xstilts_hpc.tasks.download import Download
from xstilts_hpc.tasks.hub import DEV, hub_files, refused
from xstilts_hpc.tasks.lines import each_line, fields_of, label_in
from xstilts_hpc.tasks.xtreme_pairs import parse_pairs

_LABELS = ("0", "1")


def parse_release(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read the release's tsv: header, `id sentence1 sentence2 label`; a quote is a plain character.

    A sentence left untranslated is the text NS, with label 0 whatever English has. Such rows are in the official data
    and are scored like all others, so they stay. White space around a sentence goes, as in XTREME's copy, and rows are
    numbered as there: the ids of the release are not used, so that both forms give the same examples.
    """
    (path,) = paths

    def example(number: int, line: str) -> Iterator[SequenceExample]:
        _, first, second, label = fields_of(line, (4,))
        yield SequenceExample(str(number - 1), first.strip(), second.strip(), label_in(_LABELS, label.strip()))

    return each_line(path, example, header="id")


def parse_xtreme(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read XTREME's copy: no header, two sentences and, except in stripped test files, the label."""
    (path,) = paths
    return parse_pairs(path, _LABELS)


_LANGUAGES = ("de", "en", "es", "fr", "ja", "ko", "zh")

_QUOTES = "google/xtreme read a quote as quoting and lost rows; x-final.tar.gz has all of them"
_IN_KOREAN = "a row is missing in the copies on the Hugging Face hub; x-final.tar.gz has it"
# Hugging Face's rebuild (huggingface/datasets, datasets/xtreme/xtreme.py: csv.reader without QUOTE_NONE).
_DEPARTURES = (
    Departure(Split.TRAIN, "en", 49_175, _QUOTES),
    Departure(Split.DEV, "fr", 1_988, _QUOTES),
    Departure(Split.DEV, "es", 1_961, _QUOTES),
    Departure(Split.TEST, "ko", 1_999, _IN_KOREAN),
)

PAWSX = Task(
    name="pawsx",
    title="PAWS-X",
    kind=Kind.SEQUENCE,
    roles=TARGET,
    metric=ACCURACY,
    parallel=True,
    languages=_LANGUAGES,
    labels=_LABELS,
    training_set="pawsx",
    published=in_english(49_401) | {split: dict.fromkeys(_LANGUAGES, 2_000) for split in (Split.DEV, Split.TEST)},
    departures=_DEPARTURES,
    characters=228.1,
    recipe={"epochs": 5},
    sources=(
        Source(Split.TRAIN, ("x-final/{language}/train.tsv",), parse_release),
        Source(Split.TRAIN, ("pawsx/train-{language}.tsv",), parse_xtreme),
        Source(Split.TEST, ("x-final/{language}/test_2k.tsv",), parse_release),
        Source(Split.TEST, ("pawsx/test-{language}.tsv",), parse_xtreme),
        Source(Split.DEV, ("x-final/{language}/dev_2k.tsv",), parse_release),
        Source(Split.DEV, ("pawsx/dev-{language}.tsv",), parse_xtreme),
        refused(Split.TRAIN, hub_files("google/xtreme", "PAWS-X.{language}", "train"), _QUOTES),
        refused(Split.TEST, hub_files("google/xtreme", "PAWS-X.{language}", "test"), _QUOTES),
        refused(Split.DEV, hub_files("google/xtreme", "PAWS-X.{language}", DEV), _QUOTES),
    ),
    origin="https://storage.googleapis.com/paws/pawsx/x-final.tar.gz (Yang et al. 2019)",
    licence="free for any purpose (LICENSE of google-research-datasets/paws)",
    downloads=(
        Download(
            ("https://storage.googleapis.com/paws/pawsx/x-final.tar.gz",),
            "",
            (
                "x-final/en/train.tsv",
                *(f"x-final/{code}/{part}_2k.tsv" for code in _LANGUAGES for part in ("dev", "test")),
            ),
            sha256="4146db499101d66e68ae4c8ed3cf9dadecd625f44b7d8cf3d4a0fe93afc4fd9f",
            num_bytes=30_282_057,
        ),
    ),
)
