"""Exact match and token F1 of MLQA's script: punctuation, articles and words by language."""

import re
import string
import unicodedata
from collections.abc import Sequence
from functools import partial

from xstilts_hpc.metrics.base import Floats, SummedMetric
from xstilts_hpc.metrics.squad import em_and_f1_parts, exact_match_and_f1

_ARTICLES = {
    "en": "a an the",
    "es": "un una unos unas el la los las",
    "vi": "của là cái chiếc những",
    "de": "ein eine einen einem eines einer der die das den dem des",
}
_ARTICLE = {language: re.compile(rf"\b({'|'.join(words.split())})\b") for language, words in _ARTICLES.items()}
# The script's expression for the Arabic article has an anchor where it can never match, so what is left of it
# matches the two letters anywhere, within a word too.
_ARTICLE["ar"] = re.compile("ال")


class _Characters(dict[int, str]):
    """A table for str.translate that is filled as characters come.

    It deletes ASCII punctuation and Unicode's category P; in Chinese it makes each character of the script's range of
    Han characters a word of its own.
    """

    def __init__(self, language: str) -> None:
        super().__init__()
        self._han_are_words = language == "zh"

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character in string.punctuation or unicodedata.category(character).startswith("P"):
            self[code] = ""
        elif self._han_are_words and "\u4e00" <= character <= "\u9fa5":
            self[code] = f" {character} "
        else:
            self[code] = character
        return self[code]


def _normalise(characters: _Characters, article: re.Pattern[str] | None, text: str) -> str:
    """Lower-case, delete punctuation and the language's articles, and put single spaces between words."""
    text = text.lower().translate(characters)
    return " ".join((article.sub(" ", text) if article else text).split())


def _count(predictions: Sequence[str | None], references: Sequence[Sequence[str]], language: str) -> Floats:
    return exact_match_and_f1(
        predictions, references, partial(_normalise, _Characters(language), _ARTICLE.get(language))
    )


MLQA_EM_F1 = SummedMetric("EM and F1", ("exact_match", "f1"), _count, em_and_f1_parts)
