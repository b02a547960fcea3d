"""QQP: do two questions ask the same?"""

from collections.abc import Iterator
from pathlib import Path

from xstilts_hpc.examples import Example, Kind, SequenceExample
from xstilts_hpc.metrics.accuracy import ACCURACY_AND_F1
from xstilts_hpc.tasks.base import INTERMEDIATE, BadRowError, Source, Split, Task, in_english
from xstilts_hpc.tasks.download import Download, HubFiles
from xstilts_hpc.tasks.hub import DEV, Pairs, hub_files, split_of
from xstilts_hpc.tasks.lines import each_line, fields_of, label_in

_LABELS = ("0", "1")


def parse(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read GLUE's tsv: header, 6 columns, no quoting; questions in columns 4 and 5, gold last.

    GLUE's first release broke a few rows in two (nyu-mll/GLUE-baselines, issue 5); each half is a bad row.
    """
    (path,) = paths

    def example(number: int, line: str) -> Iterator[SequenceExample]:
        row = fields_of(line, (6,))
        yield SequenceExample(f"{path.stem}-{row[0]}", row[3], row[4], label_in(_LABELS, row[5]))

    return each_line(path, example, header="id")


# The copy of GLUE on the hub numbers rows and has not the ids of GLUE's own file: subsets of it are others.
_HUB = Pairs("question1", "question2", _LABELS, lambda path, _, row: f"{split_of(path)}-{row['idx']}", ("idx",))

QQP = Task(
    name="qqp",
    title="QQP",
    kind=Kind.SEQUENCE,
    roles=INTERMEDIATE,
    metric=ACCURACY_AND_F1,
    labels=_LABELS,
    training_set="qqp",
    published=in_english(363_846, 40_430),
    characters=117.0,
    sources=(
        Source(Split.TRAIN, ("QQP/train.tsv",), parse),
        Source(Split.DEV, ("QQP/dev.tsv",), parse),
        Source(Split.TRAIN, (hub_files("nyu-mll/glue", "qqp", "train"),), _HUB.parse),
        Source(Split.DEV, (hub_files("nyu-mll/glue", "qqp", DEV),), _HUB.parse),
    ),
    origin="https://dl.fbaipublicfiles.com/glue/data/QQP-clean.zip (Iyer et al. 2017; GLUE's form)",
    licence="Quora's terms of service",
    downloads=(
        Download(
            ("https://dl.fbaipublicfiles.com/glue/data/QQP-clean.zip",),
            "",
            ("QQP/train.tsv", "QQP/dev.tsv"),
            sha256="40e7c862c04eb26ee04b67fd900e76c45c6ba8e6d8fab4f8f1f8072a1a3fbae0",
            num_bytes=41_696_084,
        ),
    ),
    hub=(HubFiles("nyu-mll/glue", ("qqp",)),),
)
