"""MNLI: does the premise entail, contradict or leave open the hypothesis?"""

from collections.abc import Iterator
from pathlib import Path

from xstilts_hpc.examples import Kind, SequenceExample
from xstilts_hpc.metrics.accuracy import ACCURACY
from xstilts_hpc.tasks.base import INTERMEDIATE, Source, Split, Task
from xstilts_hpc.tasks.lines import label_in, read_rows
from xstilts_hpc.tasks.nli import NLI_LABELS


def parse_glue(paths: tuple[Path, ...], language: str) -> Iterator[SequenceExample]:
    """Read GLUE's tsv: header, 12 columns (train) or 16 (dev), no quoting; sentences in columns 9 and 10, gold last."""
    (path,) = paths
    for number, row in read_rows(path, columns=(12, 16), header=True):
        label = label_in(NLI_LABELS, row[-1], f"{path}:{number}")
        yield SequenceExample(f"{path.stem}-{row[0]}", row[8], row[9], label)


def parse_xtreme(paths: tuple[Path, ...], language: str) -> Iterator[SequenceExample]:
    """Read XTREME's copy: no header, premise, hypothesis, label."""
    (path,) = paths
    for number, (premise, hypothesis, label) in read_rows(path, columns=(3,)):
        yield SequenceExample(f"train-{number}", premise, hypothesis, label_in(NLI_LABELS, label, f"{path}:{number}"))


MNLI = Task(
    name="mnli",
    title="MNLI",
    kind=Kind.SEQUENCE,
    roles=INTERMEDIATE,
    metric=ACCURACY,
    labels=NLI_LABELS,
    training_set="mnli",
    sources=(
        Source(Split.TRAIN, ("MNLI/train.tsv",), parse_glue),
        Source(Split.TRAIN, ("xnli/train-en.tsv",), parse_xtreme),
        Source(Split.DEV, ("MNLI/dev_matched.tsv",), parse_glue),
    ),
    origin="https://dl.fbaipublicfiles.com/glue/data/MNLI.zip (Williams et al. 2018; GLUE's form)",
    licence="OANC, CC BY 3.0, CC BY-SA 3.0 and MIT, by part",
)
