"""The languages of XTREME, and the made-up ones of the miniature world."""

from dataclasses import dataclass

from xstilts_hpc.errors import GridError, nearest


@dataclass(frozen=True)
class Language:
    """A language: two-letter code (as XTREME names files), three-letter code (Tatoeba's), name, family, script."""

    code: str
    code3: str
    name: str
    family: str
    script: str
    in_xlmr: bool = True
    made_up: bool = False


# code, Tatoeba's code, name, family, script
_ROWS = """
af afr Afrikaans Indo-European Latin
ar ara Arabic Afro-Asiatic Arabic
bg bul Bulgarian Indo-European Cyrillic
bn ben Bengali Indo-European Bengali
de deu German Indo-European Latin
el ell Greek Indo-European Greek
en eng English Indo-European Latin
es spa Spanish Indo-European Latin
et est Estonian Uralic Latin
eu eus Basque isolate Latin
fa pes Persian Indo-European Arabic
fi fin Finnish Uralic Latin
fr fra French Indo-European Latin
he heb Hebrew Afro-Asiatic Hebrew
hi hin Hindi Indo-European Devanagari
hu hun Hungarian Uralic Latin
id ind Indonesian Austronesian Latin
it ita Italian Indo-European Latin
ja jpn Japanese Japonic Japanese
jv jav Javanese Austronesian Latin
ka kat Georgian Kartvelian Georgian
kk kaz Kazakh Turkic Cyrillic
ko kor Korean Koreanic Hangul
ml mal Malayalam Dravidian Malayalam
mr mar Marathi Indo-European Devanagari
ms zsm Malay Austronesian Latin
my mya Burmese Sino-Tibetan Burmese
nl nld Dutch Indo-European Latin
pt por Portuguese Indo-European Latin
ru rus Russian Indo-European Cyrillic
sw swh Swahili Niger-Congo Latin
ta tam Tamil Dravidian Tamil
te tel Telugu Dravidian Telugu
th tha Thai Kra-Dai Thai
tl tgl Tagalog Austronesian Latin
tr tur Turkish Turkic Latin
ur urd Urdu Indo-European Arabic
vi vie Vietnamese Austroasiatic Latin
yo yor Yoruba Niger-Congo Latin
zh cmn Chinese Sino-Tibetan Han
"""

# XLM-R's training text has no Yoruba (google-research/xtreme issue 84).
_NOT_IN_XLMR = {"yo"}

# Codes of the private-use range qaa..qtz of ISO 639-2, which no real language has.
_MADE_UP = [
    Language(f"qa{letter}", f"qa{letter}", f"made-up language {letter.upper()}", "made up", "made up", made_up=True)
    for letter in "abcdefgh"
]


def _table() -> dict[str, Language]:
    rows = [line.split() for line in _ROWS.strip().splitlines()]
    real = [Language(a, b, c, d, e, in_xlmr=a not in _NOT_IN_XLMR) for a, b, c, d, e in rows]
    return {language.code: language for language in [*real, *_MADE_UP]}


LANGUAGES: dict[str, Language] = _table()
MADE_UP: tuple[str, ...] = tuple(language.code for language in _MADE_UP)
XTREME: tuple[str, ...] = tuple(code for code in LANGUAGES if code not in MADE_UP)
ENGLISH = "en"


def language(code: str) -> Language:
    """Return the language of a two-letter code; an unknown code is a GridError that names the nearest."""
    if code not in LANGUAGES:
        raise GridError(f"unknown language {code!r}; {nearest(code, LANGUAGES)}")
    return LANGUAGES[code]
