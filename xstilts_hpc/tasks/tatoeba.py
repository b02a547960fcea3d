"""Tatoeba: find the translation of each English sentence; nothing is trained."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Example, Kind, RetrievalExample
from xstilts_hpc.languages import LANGUAGES
from xstilts_hpc.metrics.accuracy import ACCURACY
from xstilts_hpc.tasks.base import TARGET, BadRowError, Source, Split, Task
from xstilts_hpc.tasks.download import HubFiles, same_place
from xstilts_hpc.tasks.hub import DEV, Row, each_row, hub_files
from xstilts_hpc.tasks.lines import read_lines
from xstilts_hpc.tasks.values import check_values


def parse_aligned(paths: tuple[Path, ...], language: str) -> Iterator[RetrievalExample]:
    """Read LASER's form: line i of the one file is the translation of line i of the other."""
    return _pairs(language, *_texts(paths))


def parse_sorted_with_labels(paths: tuple[Path, ...], language: str) -> Iterator[RetrievalExample]:
    """Read XTREME's form beside a file of labels: for each line of the sorted English file, its place before sorting.

    With the English sentences put back, the examples are those of LASER's form.
    """
    *text_paths, label_path = paths
    foreign, english = _texts(text_paths)
    labels = [label for _, label in read_lines(label_path)]
    if sorted(labels) != sorted(map(str, range(len(english)))):
        raise DataError(
            f"{label_path}: {len(labels)} labels, expected each of 0 to {len(english) - 1} once, for the lines of "
            f"{text_paths[1]}; write the file again"
        )
    text_of = dict(zip(labels, english, strict=True))
    return _pairs(language, foreign, [text_of[str(i)] for i in range(len(english))])


def parse_sorted(paths: tuple[Path, ...], language: str) -> Iterator[RetrievalExample]:
    """Read XTREME's form: the English file is sorted, so that nothing says which lines are translations."""
    foreign, english = _texts(paths)
    for i, text in enumerate(foreign):
        yield RetrievalExample(f"{language}-{i}", text, english=False, translations=None)
    for i, text in enumerate(english):
        yield RetrievalExample(f"en-sorted-{i}", text, english=True, translations=None)


def parse_hub(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read the copy on the hub: rows are the lines of LASER's files, with their line ends."""
    pairs: list[tuple[str, str]] = []

    def pair(path: Path, number: int, row: Row) -> Iterator[RetrievalExample]:
        check_values(row, ("source_sentence", "target_sentence"))
        pairs.append((row["source_sentence"].rstrip("\r\n"), row["target_sentence"].rstrip("\r\n")))
        return iter(())

    yield from each_row(paths, ("source_sentence", "target_sentence"), pair)
    yield from _pairs(language, [foreign for foreign, _ in pairs], [english for _, english in pairs])


def _texts(paths: Sequence[Path]) -> tuple[list[str], list[str]]:
    foreign, english = ([line for _, line in read_lines(path)] for path in paths)
    if len(foreign) != len(english):
        raise DataError(f"{paths[0]}: {len(foreign)} sentences, but {len(english)} in {paths[1]}")
    return foreign, english


def _pairs(language: str, foreign: Sequence[str], english: Sequence[str]) -> Iterator[RetrievalExample]:
    for i, text in enumerate(foreign):
        yield RetrievalExample(f"{language}-{i}", text, english=False, translations=(f"en-{i}",))
    for i, text in enumerate(english):
        yield RetrievalExample(f"en-{i}", text, english=True, translations=(f"{language}-{i}",))


_LANGUAGES = (
    "af ar bg bn de el es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr nl pt ru sw ta te th tl tr ur vi zh"
)

# Only the names tell the two forms apart: LASER names its files by three letters and keeps translations aligned, XTREME
# by two letters and with the English file sorted. The study's code (jiant) writes the labels file beside XTREME's form.
_ALIGNED = ("tatoeba/tatoeba.{language3}-eng.{language3}", "tatoeba/tatoeba.{language3}-eng.eng")
_SORTED = ("tatoeba/{language}-en.{language}", "tatoeba/{language}-en.en")

# Fewer than 1,000 pairs.
_PAIRS = {
    "jv": 205,
    "ka": 746,
    "kk": 575,
    "ml": 687,
    "sw": 390,
    "ta": 307,
    "te": 234,
    "th": 548,
}

_PINNED = (
    "https://raw.githubusercontent.com/facebookresearch/LASER/74bc6ae7ffb7cba670fe0f428d0ede9f666fb821/data/tatoeba/v1/"
)
_FILES = """
tatoeba.afr-eng.afr 30586 7bb9e073ad8422d6bfdec7c9ebdcef8ac486e72b237200e447923a8b921a0a56
tatoeba.afr-eng.eng 29049 0b700c125efb4030b4cc50d9d765d5884afc24f39296f29b028a1b2a8512034f
tatoeba.ara-eng.ara 43582 e67a0ae072b79cd9e8eb09f166c3bc0b23488d39f5720f2ee0a8350ae17b719f
tatoeba.ara-eng.eng 29068 3c11838c963f598a52dcf2f452b666353538257001db5c59c3a5f54a999b336b
tatoeba.ben-eng.ben 65990 ac3385695d6a6c7e5d18e38ad4b8b7d3780f3df23dd0ff3f539071b8269a8613
tatoeba.ben-eng.eng 25713 67fbe75fec549d436c3356b6d6f8dd53179b6a908661b5d507d28c7fee83350e
tatoeba.bul-eng.bul 65500 f9fa90cf3599d8c87f7a6ed22f5d648e3ce6687c705656a8c8ea088d891f79d5
tatoeba.bul-eng.eng 36779 4b03b3b52ffb7cf4286e0c4453c90910a3021546f160bdf0e4d39d1f45bfbc0b
tatoeba.cmn-eng.cmn 33410 965d033966fcd186c89741ad49ab4b0a0b2bbd33e02666635ff3b2be23c1ac1f
tatoeba.cmn-eng.eng 35521 29ba36232488f5806aceccac57c59c5e750ddd08edb40eef417e3ada9ff9a239
tatoeba.deu-eng.deu 57121 edfa6f75a42554df388f45891735d5e4214158a99def4b73b5908af4a3054551
tatoeba.deu-eng.eng 48446 eb9cc83a42f2c4b22f310d05311207e41abb56c2a084666cac3ee0f84d2d0b84
tatoeba.ell-eng.ell 52202 4fb3d3d30bdafd15100dfad5c4680f8f2ed5ca87ed0a6122e2fe2aa21fee65e8
tatoeba.ell-eng.eng 26759 1f630710e718e2f85a4e757d3c7f3d6e78ded0b25c99653b4c552138318d9ffe
tatoeba.est-eng.eng 29732 bb033b10596178452aecf2d97ad25580251375e7d224d8b38dad3d93d69b1e4f
tatoeba.est-eng.est 29996 94856999ef35e5357502d7ecf50419d0108b99270e507d9c57f8b283bd1be9c5
tatoeba.eus-eng.eng 32008 1e80f0174ad544697fd69ddcf21287ca10c5e3cacba2fc42bf1d68c460d14ba2
tatoeba.eus-eng.eus 34060 4255fb70a6c268b09fcc59a9b308f0fcaaf45ef45e66fc55bf3c80eac4d8c97b
tatoeba.fin-eng.eng 35812 322e610359f4d24852e673bbe4524d52c26dbf980aca0760e95c66dc21ecd504
tatoeba.fin-eng.fin 39857 8db3c734f755d578445947f1182f40faf2a9a0eca37561dd248717c088802d60
tatoeba.fra-eng.eng 36291 5634220f8a26a9a23b84753a9aec0b0832e6bdaa9da3f83e0bd84c928c3f46e3
tatoeba.fra-eng.fra 43727 644172ff9642fefa9e41c29b7d6f44196518e84350dc44d4992e943c0cca92b6
tatoeba.heb-eng.eng 35840 73c27ed0f76c1d2da199230f05489749e10bb67ab879c6dfee8ca9807d6bd99c
tatoeba.heb-eng.heb 47660 4a07ca4b8a6fb7ab499791573a2454730f47acbe209359d7b9372a9f6094a102
tatoeba.hin-eng.eng 34090 adfce2269a55dbac69b25c0f4f6eb89e0f9383165485925a2e042e61b9480562
tatoeba.hin-eng.hin 88468 15e4fb0a394be4438319f1d6955d1aea226e2a8c5ad38798b23b76ae43d742ed
tatoeba.hun-eng.eng 33554 5323266e91ddee67ed1ae00d6bbac0cdf3d37749d1b2da3459bf0d424bc71383
tatoeba.hun-eng.hun 35335 56bd0682be8c1db6568313650b3310d641cc8d0019d12dd7caf201302350eeac
tatoeba.ind-eng.eng 34875 62a3f5127b60eb3526b8fa3994a68fa1a1f114f3a395307a8808a3517c05ffc5
tatoeba.ind-eng.ind 39969 4f03cd70cba071f746eacd3ebf6b60fd5a8377ce18b4cc52edec6721f05f352a
tatoeba.ita-eng.eng 31596 738bf8f981e42d285f4f08bc09238782d285b02050e6e95287aa4e998bb7b24b
tatoeba.ita-eng.ita 34237 9b3f369d0ed92273b46dd3b983721636e3d15024ce7125f5103229249c386d26
tatoeba.jav-eng.eng 6456 172776353690f6c047ea21da969fa6979980d692fff1cfbac17eb25851423760
tatoeba.jav-eng.jav 7457 ad88399db8f94c2a040aa53e7e862225964fac9308a3beb3d5b38f3eca2f827f
tatoeba.jpn-eng.eng 39239 b42129b34e1bf225ccc25fc00e532a6113af98adbc6605b93021bd8aadeb68b6
tatoeba.jpn-eng.jpn 53844 56040bd6949170a631039d9f8f4c6440db8761b0065c9686feba55c99a320d46
tatoeba.kat-eng.eng 21193 d70a14aa64fd7c6b545f11aea754a632e1cbecb91af27fcf6a98a8449a48a8e7
tatoeba.kat-eng.kat 50967 6ef69b5efbf355597ed91eb355b33a5f524bdf0875dbeaaccf6375badc20e29b
tatoeba.kaz-eng.eng 17491 0ab684e7032c6520540d5785adf00ef206d097221d0dd4dc9bcaabd64068e10d
tatoeba.kaz-eng.kaz 29687 f20c682582a80b6aa10f3b933db93bc314449b554ce611e263bc75990b319aef
tatoeba.kor-eng.eng 35085 f900cf3c9b72ed5a400e1804702863ff3df00be58eb060902e02285d0e68fab3
tatoeba.kor-eng.kor 44054 e550c84184ec35b1a0dab3154284719511a21746e53c40f46eb6ab08179e9188
tatoeba.mal-eng.eng 21765 4d80cdbb844cd4e33f874e5dc45c1cdda4f80998034448f7eb56b8b6532a6622
tatoeba.mal-eng.mal 72952 1a896f54f85a454fb0123864049c65921ae9dfd0cafda6deef8060f0104d965e
tatoeba.mar-eng.eng 27890 709d09b697dca053c814b9d525b72cb47cb011aa860c6598f3e2b1b3dd1280dd
tatoeba.mar-eng.mar 72652 b2931584fbe62062beb97cc939e4d208ace5ee56f15808860ab14e130fd3c576
tatoeba.nld-eng.eng 35397 3b8836749df573a53235b85ed6771f31bf2de428f520d2d6a1dd94b61b4ef057
tatoeba.nld-eng.nld 37866 d564d4ce1c621ccaefdbe9f5cb08eacccc7bf2a0b58666303e84ca9c7973bdb7
tatoeba.pes-eng.eng 34853 b5c6cf8c8d93ff8f2fe26b53f3ee29b62db9c6f7dcddcb086ba48953f4ce926b
tatoeba.pes-eng.pes 58866 f1553713723491fe5876e1060b18fb4abf0c77be3ba06db2e3307e83aedbbb32
tatoeba.por-eng.eng 35854 deb4568cfb7b7cbbc060a7fe97c4639fb4680842f4fcd28df791ffdbb753855a
tatoeba.por-eng.por 39331 b0c926a232c9889a87a1a970f9399c5618c2d95baf204321e9da794c0aec16f5
tatoeba.rus-eng.eng 33650 7b26f52d6085b7c4944d6f5f6f5b6e1932085b42112f1444db515ce59e878fb8
tatoeba.rus-eng.rus 58822 446ff2cae66053c2277d9735b2c2df6b786cae258385f7ade7bed68d8835c6a0
tatoeba.spa-eng.eng 34776 89e4470f4572040b1ca94b3edad97dcd8bd2f0141f072e12933b8659dadf917d
tatoeba.spa-eng.spa 37490 f9628cea40481e8251f0999718bd893cff0f261752f5e526b3bc20284e2ca018
tatoeba.swh-eng.eng 10822 e8539647caff9e329776ae863b6224d432923c6e4e9256b9df92ca58ff282eac
tatoeba.swh-eng.swh 9645 1c672915446c336cc378676e6dbf91eb54d27bbfd0c61563d349265bc6374753
tatoeba.tam-eng.eng 8888 e7c5106acdd100214a161970b2a5c31e7386e5b6a963e3d3afdf30412c90ac53
tatoeba.tam-eng.tam 30553 bde87fb1ddedccf6c7a2b70ffdd19a959a573c113c2e7a041c4b623fb2170bde
tatoeba.tel-eng.eng 6806 1efc2ef57d9b1ecebfc4baa45e86fd793e38473304e9c043aebabc3a1b29a294
tatoeba.tel-eng.tel 18337 7e1a1bcd106cce650a09e2f042f1354b55b29bea2bcfa86554dfa0ad12ce8976
tatoeba.tgl-eng.eng 31632 e7c9beda3f3072a968a34a7226a66d1ebf1dcb33cf002805dc752f80a7c620ae
tatoeba.tgl-eng.tgl 36506 f99165dc05190b99f6574fe24db884ff85d111612a25e7a37323f001aafc2a6e
tatoeba.tha-eng.eng 18439 2881c82d2c5fa59cf0a68bc9e012f5e0b0a716f7357cbecf77c247efc2fd7294
tatoeba.tha-eng.tha 44759 65c7b3c01a56a1ac8971e72e0ea8e74a027718dc84044d8802c0ab36395a3156
tatoeba.tur-eng.eng 34278 a768df7dd3d1344f872a458b32c3a65e24f8381826ccb16ba6677426176c8121
tatoeba.tur-eng.tur 37607 1ffa0acc006018b3105abda41a4d4ca42f3c122964a49b71793546367b079a86
tatoeba.urd-eng.eng 31893 dab35fda3f73b3fd86b6b9f9f9f6242430961aa5d1ac247adbc646867df79cec
tatoeba.urd-eng.urd 56819 2efc22dc61885a9454aeeee68c8b841c7f9138d53ba644a82308bd210140450b
tatoeba.vie-eng.eng 38686 a1f60bd8ae6c42224a4c050d2aa1ff4242d14827d64d7831e96ecf2b2c367f5f
tatoeba.vie-eng.vie 52721 6dbb02d778b0bfc8678cd85f87db76de55dd7e409a26fe32ad42d50e0f1fff77
"""

TATOEBA = Task(
    name="tatoeba",
    title="Tatoeba",
    kind=Kind.RETRIEVAL,
    roles=TARGET,
    metric=ACCURACY,
    languages=tuple(_LANGUAGES.split()),
    published={Split.TEST: {code: 2 * _PAIRS.get(code, 1_000) for code in _LANGUAGES.split()}},
    characters=32.0,
    recipe={"max_length": 512},
    sources=(
        Source(Split.TEST, _ALIGNED, parse_aligned),
        Source(Split.TEST, (*_SORTED, "tatoeba/{language}-en.labels"), parse_sorted_with_labels),
        Source(Split.TEST, _SORTED, parse_sorted),
        Source(Split.TEST, (hub_files("google/xtreme", "tatoeba.{language3}", DEV),), parse_hub),
    ),
    origin="https://github.com/facebookresearch/LASER, data/tatoeba/v1 (Artetxe and Schwenk 2019)",
    licence="CC BY 2.0 FR (Tatoeba)",
    downloads=same_place(_PINNED, folder="tatoeba", files=_FILES),
    hub=(HubFiles("google/xtreme", tuple(f"tatoeba.{LANGUAGES[code].code3}" for code in _LANGUAGES.split())),),
)
