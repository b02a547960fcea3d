"""SNLI: natural language inference on image captions."""

from collections.abc import Iterator
from pathlib import Path

from xstilts_hpc.examples import Example, Kind, SequenceExample
from xstilts_hpc.metrics.accuracy import ACCURACY
from xstilts_hpc.tasks.base import INTERMEDIATE, BadRowError, Source, Split, Task, in_english
from xstilts_hpc.tasks.download import Download, HubFiles
from xstilts_hpc.tasks.hub import DEV, NLI_ORDER, Pairs, hub_files, split_of
from xstilts_hpc.tasks.lines import each_line, fields_of, label_in, object_of
from xstilts_hpc.tasks.nli import NLI_LABELS

# Where the annotators did not agree the gold label is "-"; such rows have no answer and are left out.
_NO_GOLD = "-"


def parse_jsonl(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read the release's JSON Lines, leaving out rows without a gold label."""
    (path,) = paths

    def example(number: int, line: str) -> Iterator[SequenceExample]:
        row = object_of(line, ("gold_label", "sentence1", "sentence2", "pairID"))
        if row["gold_label"] != _NO_GOLD:
            label = label_in(NLI_LABELS, row["gold_label"])
            yield SequenceExample(row["pairID"], row["sentence1"], row["sentence2"], label)

    return each_line(path, example)


def parse_glue(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read GLUE's ragged tsv: rows of 11, 14 or 15 columns under one header; sentences in 8 and 9, gold last."""
    (path,) = paths

    def example(number: int, line: str) -> Iterator[SequenceExample]:
        row = fields_of(line, (11, 14, 15))
        if row[-1] != _NO_GOLD:
            yield SequenceExample(row[2], row[7], row[8], label_in(NLI_LABELS, row[-1]))

    return each_line(path, example, header="index")


# The copy on the hub has no pairID, so its rows are numbered: subsets of it are others.
_HUB = Pairs("premise", "hypothesis", NLI_ORDER, lambda path, number, _: f"{split_of(path)}-{number}")

SNLI = Task(
    name="snli",
    title="SNLI",
    kind=Kind.SEQUENCE,
    roles=INTERMEDIATE,
    metric=ACCURACY,
    labels=NLI_LABELS,
    training_set="snli",
    # Of 550,152 and 10,000 rows 785 and 158 have no gold label (Wang and Jiang 2016 count what is left).
    published=in_english(549_367, 9_842),
    characters=104.1,
    sources=(
        Source(Split.TRAIN, ("snli_1.0/snli_1.0_train.jsonl",), parse_jsonl),
        Source(Split.TRAIN, ("SNLI/train.tsv",), parse_glue),
        Source(Split.DEV, ("snli_1.0/snli_1.0_dev.jsonl",), parse_jsonl),
        Source(Split.DEV, ("SNLI/dev.tsv",), parse_glue),
        Source(Split.TRAIN, (hub_files("stanfordnlp/snli", "*", "train"),), _HUB.parse),
        Source(Split.DEV, (hub_files("stanfordnlp/snli", "*", DEV),), _HUB.parse),
    ),
    origin="https://nlp.stanford.edu/projects/snli/snli_1.0.zip (Bowman et al. 2015)",
    licence="CC BY-SA 4.0",
    downloads=(
        Download(
            ("https://nlp.stanford.edu/projects/snli/snli_1.0.zip",),
            "",
            ("snli_1.0/snli_1.0_train.jsonl", "snli_1.0/snli_1.0_dev.jsonl"),
            sha256="afb3d70a5af5d8de0d9d81e2637e0fb8c22d1235c2749d83125ca43dab0dbd3e",
            num_bytes=94_550_081,
        ),
    ),
    hub=(HubFiles("stanfordnlp/snli", ("plain_text",)),),
)
