"""Count a unigram model on the multilingual text and dress it as an XLM-R tokenizer."""

import math
import re
from collections import Counter
from collections.abc import Iterable

from transformers import XLMRobertaTokenizer

# A word seen this often is one piece; rarer words, which are names, are cut in syllables. SentencePiece's own training
# starts from substrings of distinct words, so that of a lexicon this small it split 16 % of the words into letters.
FREQUENT = 100
SPACE = "\u2581"


def count_pieces(lines: Iterable[str]) -> Counter[str]:
    """Count the pieces of the lines: frequent words, syllables of the others, and every character at least once."""
    word_counts = Counter(word for line in lines for word in re.findall(r"\w+|[^\w\s]", line))
    pieces = Counter({character: 1 for word in word_counts for character in word})
    pieces[SPACE] += 1
    for word, count in word_counts.items():
        if not word[0].isalnum():
            pieces[word] += count
        elif count >= FREQUENT:
            pieces[SPACE + word] += count
        else:
            pieces.update(dict.fromkeys(syllables(word), count))
    return pieces


def syllables(word: str) -> set[str]:
    """Cut a word in pairs of letters, the first with the mark of a word's beginning."""
    return {SPACE + word[:2], *(word[start : start + 2] for start in range(2, len(word), 2))}


def make_tokenizer(lines: Iterable[str]) -> XLMRobertaTokenizer:
    """Return an XLM-R tokenizer with the pieces at XLM-R's places: <s> <pad> </s> <unk> ... <mask>."""
    counts = count_pieces(lines)
    total = counts.total()
    special = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces = [
        (piece, math.log(count / total)) for piece, count in sorted(counts.items(), key=lambda it: (-it[1], it[0]))
    ]
    return XLMRobertaTokenizer(vocab=[*special, *pieces, ("<mask>", 0.0)], model_max_length=256)
