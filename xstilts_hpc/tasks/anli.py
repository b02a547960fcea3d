"""ANLI+: natural language inference on ANLI's three rounds, MNLI and SNLI together, under one head."""

from collections.abc import Iterator
from pathlib import Path

from xstilts_hpc.examples import Example, Kind, SequenceExample
from xstilts_hpc.metrics.accuracy import ACCURACY
from xstilts_hpc.tasks.base import INTERMEDIATE, BadRowError, Source, Split, Task, in_english
from xstilts_hpc.tasks.download import Download, HubFiles
from xstilts_hpc.tasks.hub import NLI_ORDER, Pairs, Row, hub_files, refused, split_of
from xstilts_hpc.tasks.lines import each_line, label_in, object_of
from xstilts_hpc.tasks.mnli import MNLI
from xstilts_hpc.tasks.nli import NLI_LABELS
from xstilts_hpc.tasks.snli import SNLI

_LABEL_OF = {"c": "contradiction", "e": "entailment", "n": "neutral"}
_ROUNDS = ("R1", "R2", "R3")
# The archive, and the first one, which jiant reads; in the data root or in a folder of the data set's name.
_FOLDERS = ("anli_v1.0", "anli/anli_v1.0", "anli_v0.1", "anli/anli_v0.1")

_TABLE = (
    "ANLI's CSV is a table for analysis (the hypothesis is `statement`, the answer of the model that was attacked "
    "`adversary_pred`), not the release: that it has every labelled example is not known; use the release's JSON Lines"
)


def parse(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read the JSON Lines of the rounds; ids begin with the round, and copies without `uid` have line numbers."""
    for path in paths:
        yield from _parse_round(path)


def _parse_round(path: Path) -> Iterator[Example | BadRowError]:
    def example(number: int, line: str) -> Iterator[SequenceExample]:
        row = object_of(line, ("context", "hypothesis", "label"))
        label = _LABEL_OF[label_in(tuple(_LABEL_OF), row["label"])]
        yield SequenceExample(f"{path.parent.name}-{row.get('uid', number)}", row["context"], row["hypothesis"], label)

    return each_line(path, example)


def _hub_name(path: Path, number: int, row: Row) -> str:
    """Return the id that the release's file gives: a hub file is named train_r1."""
    return f"{split_of(path).rpartition('_')[2].upper()}-{row['uid']}"


_HUB = Pairs("premise", "hypothesis", NLI_ORDER, _hub_name, ("uid",))


def _sources(split: Split) -> tuple[Source, ...]:
    names = (tuple(f"{folder}/{part}/{split}.jsonl" for part in _ROUNDS) for folder in _FOLDERS)
    hub = tuple(hub_files("facebook/anli", "*", f"{split}_{part.lower()}") for part in _ROUNDS)
    tables = (refused(split, f"{folder}/R*/{split}.csv", _TABLE) for folder in _FOLDERS)
    return (*(Source(split, patterns, parse) for patterns in names), Source(split, hub, _HUB.parse), *tables)


ANLI_ROUNDS = Task(
    name="anli_r1r2r3",
    title="ANLI R1-R3",
    kind=Kind.SEQUENCE,
    roles=INTERMEDIATE,
    metric=ACCURACY,
    labels=NLI_LABELS,
    training_set="anli_r1r2r3",
    published=in_english(162_865, 3_200),
    characters=391.9,
    sources=(*_sources(Split.TRAIN), *_sources(Split.DEV)),
    origin="https://dl.fbaipublicfiles.com/anli/anli_v0.1.zip (Nie et al. 2020; v1.0 is read too)",
    licence="CC BY-NC 4.0",
    downloads=(
        # The archive that jiant reads, and the only one whose digest is known.
        Download(
            ("https://dl.fbaipublicfiles.com/anli/anli_v0.1.zip",),
            "",
            tuple(f"anli_v0.1/{part}/{split}.jsonl" for part in _ROUNDS for split in (Split.TRAIN, Split.DEV)),
            sha256="16ac929a7e90ecf9093deaec89cc81fe86a379265a5320a150028efe50c5cde8",
            num_bytes=18_621_352,
        ),
    ),
    hub=(HubFiles("facebook/anli", ("plain_text",)),),
)

# The study's ANLI+ as jiant's notes on its tasks define "full ANLI"; all parts have the labels of NLI_LABELS.
ANLI = Task(
    name="anli",
    title="ANLI+",
    kind=Kind.SEQUENCE,
    roles=INTERMEDIATE,
    metric=ACCURACY,
    labels=NLI_LABELS,
    training_set="anli",
    sources=(),
    union=(ANLI_ROUNDS, MNLI, SNLI),
    origin="the places of ANLI R1-R3, MNLI and SNLI",
    licence="CC BY-NC 4.0, by its part ANLI",
)
