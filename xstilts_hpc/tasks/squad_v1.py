"""SQuAD v1.1: which span of the paragraph answers the question?"""

from xstilts_hpc.examples import Kind
from xstilts_hpc.metrics.squad import SQUAD
from xstilts_hpc.tasks.base import INTERMEDIATE, Source, Split, Task, in_english
from xstilts_hpc.tasks.download import HubFiles, same_place
from xstilts_hpc.tasks.hub import DEV, hub_files
from xstilts_hpc.tasks.squad_format import parse_answered, parse_hub_answered
from xstilts_hpc.tasks.translations import XTREME_TRANSLATIONS, translated

# Length 384 and batch 16 for question answering as in the study's code (jiant's XTREME guide).
QA_RECIPE = {"max_length": 384, "batch_size": 16, "epochs": 2}
# The publishers' page, and its repository, from which XTREME's scripts take it.
SQUAD_PLACES = (
    "https://rajpurkar.github.io/SQuAD-explorer/dataset/",
    "https://raw.githubusercontent.com/rajpurkar/SQuAD-explorer/master/dataset/",
)
# XTREME's translations; where an answer was lost in translation the question is left out, so there are somewhat fewer.
_TRANSLATED = ("ar", "de", "el", "es", "hi", "ru", "th", "tr", "vi", "zh")

_FILES = """
train-v1.1.json 30288272 3527663986b8295af4f7fcdff1ba1ff3f72d07d61a20f487cb238a6ef92fd955
dev-v1.1.json 4854279 95aa6a52d5d6a735563366753ca50492a658031da74f301ac5238b03966972c9
"""

SQUAD_V1 = Task(
    name="squad_v1",
    title="SQuAD v1.1",
    kind=Kind.SPAN,
    roles=INTERMEDIATE,
    metric=SQUAD,
    training_set="squad_v1",
    published=in_english(87_599, 10_570) | {Split.TRANSLATED: dict.fromkeys(_TRANSLATED, 87_599)},
    characters=830.1,
    recipe={**QA_RECIPE, "epochs": 3},
    sources=(
        Source(Split.TRAIN, ("squad/train-v1.1.json",), parse_answered),
        *translated("SQuAD/translate-train/squad.translate.train.en-{language}.json", parse_answered),
        Source(Split.DEV, ("squad/dev-v1.1.json",), parse_answered),
        Source(Split.TRAIN, (hub_files("rajpurkar/squad", "*", "train"),), parse_hub_answered),
        Source(Split.DEV, (hub_files("rajpurkar/squad", "*", DEV),), parse_hub_answered),
    ),
    origin=(
        "https://rajpurkar.github.io/SQuAD-explorer/dataset/ (Rajpurkar et al. 2016; "
        f"translations: {XTREME_TRANSLATIONS}, folder SQuAD)"
    ),
    licence="CC BY-SA 4.0",
    downloads=same_place(*SQUAD_PLACES, folder="squad", files=_FILES),
    hub=(HubFiles("rajpurkar/squad", ("plain_text",)),),
)
