"""Exact match and token F1 of MLQA's script: punctuation, articles and words by language."""

import re
import string
import unicodedata
from collections.abc import Sequence
from functools import partial

from xstilts_hpc.metrics.base import Metric
from xstilts_hpc.metrics.squad import exact_match_and_f1

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
# In Chinese every character of this range is a word.
_HAN = re.compile("([\u4e00-\u9fa5])")


class _WithoutPunctuation(dict[int, int | None]):
    """A table for str.translate that deletes ASCII punctuation and Unicode's category P, filled as characters come."""

    def __missing__(self, code: int) -> int | None:
        character = chr(code)
        deleted = character in string.punctuation or unicodedata.category(character).startswith("P")
        self[code] = None if deleted else code
        return self[code]


def normalise(table: _WithoutPunctuation, language: str, text: str) -> str:
    """Lower-case, delete punctuation and the language's articles, and put single spaces between words."""
    text = text.lower().translate(table)
    if language in _ARTICLE:
        text = _ARTICLE[language].sub(" ", text)
    if language == "zh":
        text = _HAN.sub(r" \1 ", text)
    return " ".join(text.split())


def mlqa(predictions: Sequence[str | None], references: Sequence[Sequence[str]], language: str) -> dict[str, float]:
    """Return exact match and F1; a question has one predicted text (None: no prediction, scores 0) and its answers."""
    return exact_match_and_f1(predictions, references, partial(normalise, _WithoutPunctuation(), language))


MLQA_EM_F1 = Metric("EM and F1", mlqa, ("exact_match", "f1"))
