"""XQuAD: SQuAD v1.1 questions, professionally translated; trained on SQuAD v1.1."""

from xstilts_hpc.examples import Kind
from xstilts_hpc.metrics.squad import SQUAD
from xstilts_hpc.tasks.base import TARGET, Source, Split, Task
from xstilts_hpc.tasks.download import same_place
from xstilts_hpc.tasks.hub import DEV, MOVED, hub_files, refused
from xstilts_hpc.tasks.squad_v1 import QA_RECIPE
from xstilts_hpc.tasks.stripped_squad import parse_evaluation

_LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")

_PINNED = "https://raw.githubusercontent.com/google-deepmind/xquad/7d30520c717524000f0d9d2f9c10a069acd9d285/"
_FILES = """
xquad.ar.json 1582988 abdabd7afed5c635d99cca0f3f0d0c9d9ed0bc77451e963c2e4e0638c29e486d
xquad.de.json 669810 990b5d746746ed65ed4702ea5f35f99ffa4e2f1c390c07d003642acd937916f9
xquad.el.json 1918889 821cf0f88e73fa258fd2f548b19b6ec39f7025059e16f6f9fc8cd797c9c3663e
xquad.en.json 609383 e4c57d1c9143aaa1c5d265ba5987a65f4e69528d2a98f29d6e75019b10344f29
xquad.es.json 684322 dcbae93ec3a9f4b9e78fd834a171d6f96c1a875e10e15b7530b7e4ef4971e37e
xquad.hi.json 1680538 df2cce3532b37e9beb8979704b5c9a4bf874358f105395a298b89427b43b9d24
xquad.ru.json 1896368 208d5b1aa154c52b1b5c5eda16281e455e8fd198cdb9af3f469f0d6037d973bf
xquad.th.json 1809143 5cdda11d0e1e075f7872abf4e6ae830388ce7f617964d542308e9ae4257e0f43
xquad.tr.json 729506 92179a564774b7696100d144c1e10870d0a966b6fccbdd254a65b9d2ab1971cc
xquad.vi.json 911401 f619a1eb11fb42d3ab0834259e488a65f585447ef6154437bfb7199d85161a04
xquad.zh.json 808652 691d0b3359bc6b8faa8de931dfdfe21d50a65861ae348e32a0d1a0190b0c8835
"""

_MOVED = f"{MOVED}; get the release (xstilts data fetch xquad)"

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
    sources=(
        Source(Split.TEST, ("xquad.{language}.json",), parse_evaluation),
        refused(Split.TEST, hub_files("google/xtreme", "XQuAD.{language}", DEV), _MOVED),
    ),
    origin="https://github.com/google-deepmind/xquad (Artetxe et al. 2020)",
    licence="CC BY-SA 4.0",
    downloads=same_place(_PINNED, folder="xquad", files=_FILES),
)
