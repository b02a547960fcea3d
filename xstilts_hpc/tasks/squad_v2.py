"""SQuAD v2.0: which span of the paragraph answers the question, if any does?"""

from xstilts_hpc.examples import Kind
from xstilts_hpc.metrics.squad_v2 import SQUAD_V2 as EM_AND_F1
from xstilts_hpc.tasks.base import INTERMEDIATE, Source, Split, Task, in_english
from xstilts_hpc.tasks.download import HubFiles, same_place
from xstilts_hpc.tasks.hub import DEV, hub_files, parse_spans
from xstilts_hpc.tasks.squad_format import parse_squad
from xstilts_hpc.tasks.squad_v1 import SQUAD_PLACES, SQUAD_V1

_FILES = """
train-v2.0.json 42123633 68dcfbb971bd3e96d5b46c7177b16c1a4e7d4bdef19fb204502738552dede002
dev-v2.0.json 4370528 80a5225e94905956a6446d296ca1093975c4d3b3260f1d6c8f68bc2ab77182d8
"""

SQUAD_V2 = Task(
    name="squad_v2",
    title="SQuAD v2.0",
    kind=Kind.SPAN,
    roles=INTERMEDIATE,
    metric=EM_AND_F1,
    training_set="squad_v2",
    published=in_english(130_319, 11_873),
    characters=916.7,
    recipe=SQUAD_V1.recipe,
    unanswerable=True,
    sources=(
        Source(Split.TRAIN, ("squad/train-v2.0.json",), parse_squad),
        Source(Split.TRAIN, ("train-v2.0.json",), parse_squad),
        Source(Split.DEV, ("squad/dev-v2.0.json",), parse_squad),
        Source(Split.DEV, ("dev-v2.0.json",), parse_squad),
        Source(Split.TRAIN, (hub_files("rajpurkar/squad_v2", "*", "train"),), parse_spans),
        Source(Split.DEV, (hub_files("rajpurkar/squad_v2", "*", DEV),), parse_spans),
    ),
    origin="https://rajpurkar.github.io/SQuAD-explorer/dataset/ (Rajpurkar et al. 2018)",
    licence="CC BY-SA 4.0",
    downloads=same_place(*SQUAD_PLACES, folder="squad", files=_FILES),
    hub=(HubFiles("rajpurkar/squad_v2", ("squad_v2",)),),
)
