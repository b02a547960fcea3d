"""SQuAD v1.1: which span of the paragraph answers the question?"""

from collections.abc import Iterator
from pathlib import Path

from xstilts_hpc.examples import Example, Kind, SpanExample
from xstilts_hpc.metrics.squad import SQUAD
from xstilts_hpc.tasks.base import INTERMEDIATE, BadRowError, Source, Split, Task
from xstilts_hpc.tasks.squad_format import parse_squad
from xstilts_hpc.tasks.translations import XTREME_TRANSLATIONS, translated

# Length 384 and batch 16 for question answering as in the study's code (jiant's XTREME guide).
QA_RECIPE = {"max_length": 384, "batch_size": 16, "epochs": 2}


def parse_answered(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read SQuAD's form where every question has an answer, as in v1.1; one without, or an empty one, is a bad row.

    XTREME's translations have a few: most questions whose answer was lost in translation are left out, not all.
    """
    for row in parse_squad(paths, language):
        if isinstance(row, SpanExample) and _lacks_answer(row):
            yield BadRowError(f"{paths[0]}: question {row.id}: no answer, but every question of v1.1 has one")
        else:
            yield row


def _lacks_answer(row: SpanExample) -> bool:
    """Say whether a question has no answer or an empty one (None is a file that does not say)."""
    return row.answers is not None and not (row.answers and all(answer.text for answer in row.answers))


SQUAD_V1 = Task(
    name="squad_v1",
    title="SQuAD v1.1",
    kind=Kind.SPAN,
    roles=INTERMEDIATE,
    metric=SQUAD,
    training_set="squad_v1",
    recipe={**QA_RECIPE, "epochs": 3},
    sources=(
        Source(Split.TRAIN, ("squad/train-v1.1.json",), parse_answered),
        *translated("SQuAD/translate-train/squad.translate.train.en-{language}.json", parse_answered),
        Source(Split.DEV, ("squad/dev-v1.1.json",), parse_answered),
    ),
    origin=(
        "https://rajpurkar.github.io/SQuAD-explorer/dataset/ (Rajpurkar et al. 2016; "
        f"translations: {XTREME_TRANSLATIONS}, folder SQuAD)"
    ),
    licence="CC BY-SA 4.0",
)
