"""Plain text of many languages, for masked-language modelling mixed into a training."""

from collections.abc import Iterator
from pathlib import Path

from xstilts_hpc.examples import Example, Kind, TextExample
from xstilts_hpc.languages import XTREME
from xstilts_hpc.metrics.accuracy import ACCURACY
from xstilts_hpc.tasks.base import MIXED_IN, BadRowError, Source, Split, Task
from xstilts_hpc.tasks.lines import each_line


def parse(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read a text file: each line that is not blank is an example (jiant's `mlm_simple`)."""
    (path,) = paths

    def example(number: int, line: str) -> Iterator[TextExample]:
        if line.strip():
            yield TextExample(str(number), line)

    return each_line(path, example)


MLM = Task(
    name="mlm",
    title="masked-language modelling text",
    kind=Kind.MASKED,
    roles=MIXED_IN,
    # Of masked tokens. Every task has a metric, but this one is only trained on: no split of it is scored.
    metric=ACCURACY,
    languages=XTREME,
    training_set="mlm",
    published={Split.TRAIN: dict.fromkeys(XTREME, 0)},  # the text is yours
    characters=115.3,
    sources=(
        Source(Split.TRAIN, ("text/{language}.txt",), parse),
        Source(Split.TRAIN, ("text/udhr/{language}.txt",), parse),
    ),
    origin="wherever you like, a paragraph a line; the study's is not known (small and free: https://github.com/wooorm/udhr)",
    licence="that of your own text",
    by_hand="the text is your own choice: put text/LL.txt under the data folder, a paragraph a line",
)
