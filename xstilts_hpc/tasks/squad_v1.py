"""SQuAD v1.1: which span of the paragraph answers the question?"""

from xstilts_hpc.examples import Kind
from xstilts_hpc.metrics.squad import SQUAD
from xstilts_hpc.tasks.base import INTERMEDIATE, Source, Split, Task, in_english
from xstilts_hpc.tasks.download import HubFiles, same_place
from xstilts_hpc.tasks.hub import DEV, hub_files
from xstilts_hpc.tasks.squad_format import parse_answered, parse_hub_answered
from xstilts_hpc.tasks.translations import XTREME_TRANSLATIONS, downloads_of, translated

# Length 384 and batch 16 for question answering as in the study's code (jiant's XTREME guide).
QA_RECIPE = {"max_length": 384, "batch_size": 16, "epochs": 2}
# The publishers' page, and its repository, from which XTREME's scripts take it.
SQUAD_PLACES = (
    "https://rajpurkar.github.io/SQuAD-explorer/dataset/",
    "https://raw.githubusercontent.com/rajpurkar/SQuAD-explorer/master/dataset/",
)
# XTREME's translations; where an answer was lost in translation the question is left out, so there are somewhat fewer.
_TRANSLATED = ("ar", "de", "el", "es", "hi", "ru", "th", "tr", "vi", "zh")

_TRANSLATION = "SQuAD/translate-train/squad.translate.train.en-{language}.json"
# tensorflow/datasets, url_checksums/xquad.txt.
_TRANSLATION_FILES = """
ar 311935799 d2d01110aa646b547eec88b14b3930dc027c9d149c4962376a1551e251ec3f9b
de 93188862 3c125cb2a31e8ad167c4590ece8fdfd16018a5bbf9475dbfac034c1816a4ab02
el 368851294 9d648f92883a88b27bb0d9ab502a0512bf5ffe7f8ce00bc205b19d66029dab04
es 101758698 cb8f68b8e4cff696209a5ec249a5dc9e2a75a5c7f9dbbfa8a8be1dcf1f91c81a
hi 348849738 fdfd8c59359943c6a55022403e7dfa047e7ee1dea734086a3c73c1adbb44d254
ru 379620057 075818cce7ca8d6efe2c783b125d91bd79add93ddfe8c2b0f45fb610d7552f48
th 341480847 3ae03fd7a9d51a6f45e74a70b8d6168eb365114fcf5de21f34f212197e085eab
tr 111351195 7c618d3f5e0c19d878686a9874b15a10d6f842ae9451e12d8d7d51531bfe79e6
vi 160940115 ad6d3ba17b8e672e7066708ce5795f0f933f3ce18b7442ee11d6e3072f44f60b
zh 128888478 411e4023e4f3627ccb4873edfb77b36e97470b4226a076e6a632544c92353d24
"""
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
        *translated(_TRANSLATION, parse_answered),
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
    translations=downloads_of(_TRANSLATION, _TRANSLATION_FILES),
    hub=(HubFiles("rajpurkar/squad", ("plain_text",)),),
)
