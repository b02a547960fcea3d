"""BUCC 2018: mine the pairs of translations from two pools of sentences; nothing is trained."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Example, Kind, RetrievalExample
from xstilts_hpc.metrics.bitext import BITEXT_F1
from xstilts_hpc.tasks.base import TARGET, BadRowError, Source, Split, Task
from xstilts_hpc.tasks.download import Download
from xstilts_hpc.tasks.hub import DEV, hub_files, refused
from xstilts_hpc.tasks.lines import each_line, fields_of, read_lines

Partners = Mapping[str, Sequence[str]]


def parse_with_gold(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read `id TAB sentence` in two languages, and the pairs `foreign id TAB English id` of translations."""
    foreign_path, english_path, gold_path = paths
    of_foreign, of_english = _partners(gold_path)
    yield from _pool(foreign_path, of_foreign, english=False)
    yield from _pool(english_path, of_english, english=True)


def parse_stripped(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read the two pools where XTREME's download step has removed the pairs: which are translations is unknown."""
    foreign_path, english_path = paths
    yield from _pool(foreign_path, None, english=False)
    yield from _pool(english_path, None, english=True)


def _partners(path: Path) -> tuple[Partners, Partners]:
    """Return the English partners of each foreign id, and the foreign partners of each English id."""
    of_foreign, of_english = dict[str, list[str]](), dict[str, list[str]]()
    for number, line in read_lines(path):
        foreign, _, english = line.partition("\t")
        if not (foreign and english) or "\t" in english:
            raise DataError(f"{path}:{number}: expected a foreign id, a tab and an English id, found {line[:80]!r}")
        of_foreign.setdefault(foreign, []).append(english)
        of_english.setdefault(english, []).append(foreign)
    return of_foreign, of_english


def _pool(path: Path, partners: Partners | None, *, english: bool) -> Iterator[Example | BadRowError]:
    seen = set[str]()

    def example(number: int, line: str) -> Iterator[RetrievalExample]:
        name, text = fields_of(line, (2,))
        if name in seen:
            raise DataError(f"the id {name!r} is there twice")
        seen.add(name)
        yield RetrievalExample(name, text, english, None if partners is None else tuple(partners.get(name, ())))

    yield from each_line(path, example)
    missing = [name for name in partners or () if name not in seen]
    if missing:
        raise DataError(
            f"{path}: no sentence {missing[0]!r}, which the pairs name ({len(missing)} such ids); fetch the files of "
            "sentences and pairs again"
        )


def _pools(start: str) -> tuple[str, str]:
    return f"{start}.{{language}}", f"{start}.en"


# XTREME's dev set is the shared task's sample set, and its test set the shared task's training set: the shared task's
# own test set has no published pairs.
_XTREME = "bucc2018/{language}-en"
_RELEASE = "bucc2018/{language}-en/{language}-en"

# Sentences of both pools; not checked against a published table, so costs of BUCC are rough.
_NO_POOL = (
    "google/xtreme has only the pairs of translations, without the sentences among which they are to be found; get the "
    "archives (xstilts data fetch bucc2018)"
)
_ROUGH = "the numbers of sentences were not checked against a published table"
_TEST = {
    "de": 813_206,
    "fr": 641_684,
    "ru": 1_019_254,
    "zh": 183_497,
}

_ARCHIVES = (
    ("de", "training", 28_189_548, "766e0fdebbd1438fb87c21254828eb13c8b997d8fbab002103dd060dcac50c5c"),
    ("de", "sample", 2_529_652, "8e16ba8b02ef8d648b06adfbd6dfb188f43524e18f97b2b12a14a086caac62f3"),
    ("fr", "training", 20_757_713, "53c0d0e7dd97dc89593a2db25a26c5f0ccdc7113e8451263bb0c80e4c4c7dc30"),
    ("fr", "sample", 1_948_831, "df9eb3966954e163c9264076f7c9c1eb56d9d8a91855f9d3afbf2c0fdaef0a08"),
    ("ru", "training", 37_085_079, "1895df56e936ca3d4f5b12299ceffe0b7ff4806584c40bdaa3ae1d445f25afa5"),
    ("ru", "sample", 4_269_233, "fce3cabc7ee50ddb4b18aa6fb090e2669c8383d2a29fc97eed6ae70fed9a23e5"),
    ("zh", "training", 6_344_925, "3facb71798277c8f44dc78c1f8ae2110f254d0e14799f3508eedd54b4236877a"),
    ("zh", "sample", 769_869, "a3425be5c0320ee131a0927b66c3e29befb3b481ebf1b87257e660e514bc16ac"),
)

BUCC2018 = Task(
    name="bucc2018",
    title="BUCC2018",
    kind=Kind.RETRIEVAL,
    roles=TARGET,
    metric=BITEXT_F1,
    languages=("de", "fr", "ru", "zh"),
    recipe={"max_length": 512},
    mining=True,
    # Dev in Chinese: as counted in a copy of the sample set (8,624 and 13,589 sentences, 257 pairs).
    published={Split.TEST: _TEST, Split.DEV: {"zh": 8_624 + 13_589}},
    rough=_ROUGH,
    characters=74.1,
    sources=(
        Source(Split.TEST, (*_pools(f"{_XTREME}.test"), f"{_XTREME}.test.gold"), parse_with_gold),
        Source(Split.TEST, (*_pools(f"{_RELEASE}.training"), f"{_RELEASE}.training.gold"), parse_with_gold),
        Source(Split.TEST, _pools(f"{_XTREME}.test"), parse_stripped),
        Source(Split.DEV, (*_pools(f"{_XTREME}.dev"), f"{_XTREME}.dev.gold"), parse_with_gold),
        Source(Split.DEV, (*_pools(f"{_RELEASE}.sample"), f"{_RELEASE}.sample.gold"), parse_with_gold),
        refused(Split.TEST, hub_files("google/xtreme", "bucc18.{language}", "test"), _NO_POOL),
        refused(Split.DEV, hub_files("google/xtreme", "bucc18.{language}", DEV), _NO_POOL),
    ),
    origin="https://comparable.limsi.fr/bucc2018/, bucc2018-LL-en.*-gold.tar.bz2 (Zweigenbaum et al. 2018)",
    licence="not stated",
    downloads=tuple(
        Download(
            (f"https://comparable.limsi.fr/bucc2018/bucc2018-{code}-en.{part}-gold.tar.bz2",),
            "",
            tuple(f"bucc2018/{code}-en/{code}-en.{part}.{end}" for end in (code, "en", "gold")),
            sha256=sha256,
            num_bytes=num_bytes,
        )
        for code, part, num_bytes, sha256 in _ARCHIVES
    ),
)
