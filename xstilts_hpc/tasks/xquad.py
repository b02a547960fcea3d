"""XQuAD: SQuAD v1.1 questions, professionally translated; trained on SQuAD v1.1."""

from xstilts_hpc.examples import Kind
from xstilts_hpc.metrics.squad import SQUAD
from xstilts_hpc.tasks.base import TARGET, Source, Split, Task
from xstilts_hpc.tasks.squad_v1 import QA_RECIPE
from xstilts_hpc.tasks.stripped_squad import parse_evaluation

_LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")

XQUAD = Task(
    name="xquad",
    title="XQuAD",
    kind=Kind.SPAN,
    roles=TARGET,
    metric=SQUAD,
    parallel=True,
    languages=_LANGUAGES,
    training_set="squad_v1",
    published={Split.TEST: dict.fromkeys(_LANGUAGES, 1_190)},
    characters=884.6,
    recipe=QA_RECIPE,
    sources=(Source(Split.TEST, ("xquad.{language}.json",), parse_evaluation),),
    origin="https://github.com/google-deepmind/xquad (Artetxe et al. 2020)",
    licence="CC BY-SA 4.0",
)
