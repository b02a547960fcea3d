"""XNLI: MNLI's question in 15 languages; trained on MNLI."""

from collections.abc import Iterator
from pathlib import Path

from xstilts_hpc.examples import Example, Kind, SequenceExample
from xstilts_hpc.metrics.accuracy import ACCURACY
from xstilts_hpc.tasks.base import TARGET, BadRowError, Source, Split, Task
from xstilts_hpc.tasks.download import Download, HubFiles
from xstilts_hpc.tasks.hub import DEV, NLI_ORDER, Pairs, hub_files
from xstilts_hpc.tasks.lines import each_line, fields_of, label_in, object_of
from xstilts_hpc.tasks.nli import NLI_LABELS
from xstilts_hpc.tasks.xtreme_pairs import parse_labelled_pairs, parse_pairs


def parse_xtreme(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read XTREME's form: premise, hypothesis and, except in stripped test files, the label; no header."""
    (path,) = paths
    return parse_pairs(path, NLI_LABELS)


def parse_with_labels(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read a stripped test file beside a file of labels, one a line, that holds for every language."""
    path, label_path = paths
    return parse_labelled_pairs(path, label_path, NLI_LABELS)


def parse_release(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read XNLI-1.0's own tsv: a header, 19 columns, all languages in one file, in no order to rely on."""
    (path,) = paths

    def example(number: int, line: str) -> Iterator[SequenceExample]:
        row = fields_of(line, (19,))
        if row[0] == language:
            yield SequenceExample(row[9], row[6], row[7], label_in(NLI_LABELS, row[1]))

    return each_line(path, example, header="language")


def parse_release_json(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read the same rows in XNLI-1.0's JSON Lines."""
    (path,) = paths

    def example(number: int, line: str) -> Iterator[SequenceExample]:
        row = object_of(line, ("language", "gold_label", "sentence1", "sentence2", "pairID"))
        if row["language"] == language:
            label = label_in(NLI_LABELS, row["gold_label"])
            yield SequenceExample(row["pairID"], row["sentence1"], row["sentence2"], label)

    return each_line(path, example)


_LANGUAGES = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
# Rows of the copy on the hub are numbered as in XTREME's files.
_HUB = Pairs("premise", "hypothesis", NLI_ORDER, lambda _, number, __: str(number))

XNLI = Task(
    name="xnli",
    title="XNLI",
    kind=Kind.SEQUENCE,
    roles=TARGET,
    metric=ACCURACY,
    parallel=True,
    languages=_LANGUAGES,
    labels=NLI_LABELS,
    training_set="mnli",
    published={Split.TEST: dict.fromkeys(_LANGUAGES, 5_010), Split.DEV: dict.fromkeys(_LANGUAGES, 2_490)},
    characters=173.1,
    recipe={"epochs": 2},
    sources=(
        Source(Split.TEST, ("xnli/test-{language}.tsv", "xnli/test.labels"), parse_with_labels),
        Source(Split.TEST, ("XNLI-1.0/xnli.test.tsv",), parse_release),
        Source(Split.TEST, ("XNLI-1.0/xnli.test.jsonl",), parse_release_json),
        Source(Split.TEST, ("xnli/test-{language}.tsv",), parse_xtreme),
        Source(Split.DEV, ("xnli/dev-{language}.tsv",), parse_xtreme),
        Source(Split.DEV, ("XNLI-1.0/xnli.dev.tsv",), parse_release),
        Source(Split.DEV, ("XNLI-1.0/xnli.dev.jsonl",), parse_release_json),
        Source(Split.TEST, (hub_files("facebook/xnli", "{language}", "test"),), _HUB.parse),
        Source(Split.DEV, (hub_files("facebook/xnli", "{language}", DEV),), _HUB.parse),
    ),
    origin="https://dl.fbaipublicfiles.com/XNLI/XNLI-1.0.zip (Conneau et al. 2018)",
    licence="CC BY-NC 4.0",
    downloads=(
        Download(
            ("https://dl.fbaipublicfiles.com/XNLI/XNLI-1.0.zip",),
            "",
            ("XNLI-1.0/xnli.dev.tsv", "XNLI-1.0/xnli.test.tsv"),
            sha256="4ba1d5e1afdb7161f0f23c66dc787802ccfa8a25a3ddd3b165a35e50df346ab1",
            num_bytes=17_865_352,
        ),
    ),
    hub=(HubFiles("facebook/xnli", _LANGUAGES),),
)
