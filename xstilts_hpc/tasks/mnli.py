"""MNLI: does the premise entail, contradict or leave open the hypothesis?"""

from collections.abc import Iterator
from pathlib import Path

from xstilts_hpc.examples import Example, Kind, SequenceExample
from xstilts_hpc.metrics.accuracy import ACCURACY
from xstilts_hpc.tasks.base import INTERMEDIATE, BadRow, Source, Split, Task
from xstilts_hpc.tasks.lines import each_line, fields_of, label_in
from xstilts_hpc.tasks.nli import NLI_LABELS


def parse_glue(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRow]:
    """Read GLUE's tsv: header, 12 columns (train) or 16 (dev), no quoting; sentences in columns 9 and 10, gold last."""
    (path,) = paths

    def example(number: int, line: str) -> Iterator[SequenceExample]:
        row = fields_of(line, (12, 16))
        yield SequenceExample(f"{path.stem}-{row[0]}", row[8], row[9], label_in(NLI_LABELS, row[-1]))

    return each_line(path, example, header=True)


def parse_xtreme(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRow]:
    """Read XTREME's copy: no header, premise, hypothesis, label."""
    (path,) = paths

    def example(number: int, line: str) -> Iterator[SequenceExample]:
        premise, hypothesis, label = fields_of(line, (3,))
        yield SequenceExample(f"train-{number}", premise, hypothesis, label_in(NLI_LABELS, label))

    return each_line(path, example)


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
