"""Read Universal Dependencies treebanks (CoNLL-U) as XTREME's part-of-speech data are made from them.

The facts are those of google-research/xtreme: third_party/ud-conversion-tools (lib/conll.py, conllu_to_conll.py) and
udpos_preprocess in utils_preprocess.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Example, TokenExample
from xstilts_hpc.tasks.base import BadRowError
from xstilts_hpc.tasks.lines import each_block, fields_of, label_in
from xstilts_hpc.tasks.tagged import numbered

_UPOS = "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X"
UPOS = tuple(_UPOS.split())

# Which of the highest words of a fused word gives it its tag. "CONJ" was the name of CCONJ in UD 1.
_PRECEDENCE = {
    "es": "VERB AUX PRON ADP DET",
    "fr": "VERB AUX PRON NOUN ADJ ADV ADP DET PART SCONJ CONJ",
    "it": "VERB AUX ADV PRON ADP DET INTJ",
}
_DEFAULT_PRECEDENCE = "VERB NOUN PROPN PRON ADJ NUM ADV INTJ AUX ADP DET PART CCONJ SCONJ X PUNCT"

_NO_TEXT = "_"
_ZERO_WIDTH_NON_JOINER = "\u200c"


@dataclass(frozen=True, slots=True)
class Row:
    """A line: a word "3", a fused word "3-4" or an empty node "8.1"; `heads` are those of HEAD and of DEPS."""

    id: str
    form: str
    tag: str
    heads: tuple[int, ...]


def parse_conllu(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Yield the sentences of all files that XTREME keeps, in the order of the files."""
    sentence = partial(_sentence, language)
    return numbered(row for path in paths for row in each_block(path, _row, sentence, comment="#"))


def _row(line: str) -> Row:
    fields = fields_of(line, (10,))
    enhanced = [] if fields[8] == _NO_TEXT else [pair.split(":")[0] for pair in fields[8].split("|")]
    heads = tuple(int(head) for head in (fields[6], *enhanced) if head.isdecimal())
    return Row(fields[0], fields[1].strip(), fields[3], heads)


def _sentence(language: str, number: int, rows: Sequence[Row]) -> Iterator[TokenExample]:
    """Yield the sentence, if XTREME keeps it: not where all words, or all but one, have no text ("_").

    So treebanks published without their text drop out, and also a one or two word sentence with a real "_".
    """
    words = _fused(rows, _PRECEDENCE.get(language, _DEFAULT_PRECEDENCE).split())
    without_text = sum(form == _NO_TEXT for form, _ in words)
    if not without_text or without_text < len(words) - 1:
        forms = tuple(form.replace(_ZERO_WIDTH_NON_JOINER, "").replace(" ", "") for form, _ in words)
        yield TokenExample(str(number), forms, tuple(tag for _, tag in words))


def _fused(rows: Sequence[Row], precedence: Sequence[str]) -> list[tuple[str, str]]:
    """Return (form, tag) of each word; the parts of a fused word are one word with the tag of its head."""
    words = [row for row in rows if row.id.isdecimal()]
    if [row.id for row in words] != [str(number) for number in range(1, len(words) + 1)]:
        raise DataError(f"words are numbered {' '.join(row.id for row in words)[:80]}, expected 1, 2, 3 and so on")
    tags = [label_in(UPOS, row.tag) for row in words]
    heads = {number: row.heads for number, row in enumerate(words, 1)}
    fused = {first: (last, form) for first, last, form in map(_range, (row for row in rows if "-" in row.id))}
    found, number = list[tuple[str, str]](), 1
    while number <= len(words):
        last, form = fused.get(number, (number, words[number - 1].form))
        if not number <= last <= len(words):
            raise DataError(f"fused word {number}-{last} in a sentence of {len(words)} words")
        head = _span_head(range(number, last + 1), tags, heads, precedence)
        found.append((form, tags[head - 1]))
        number = last + 1
    return found


def _range(row: Row) -> tuple[int, int, str]:
    first, _, last = row.id.partition("-")
    if not (first.isdecimal() and last.isdecimal()):
        raise DataError(f"id {row.id!r}, expected a number, a range such as 3-4 or an empty node such as 8.1")
    return int(first), int(last), row.form


def _span_head(
    span: range, tags: Sequence[str], heads: Mapping[int, tuple[int, ...]], precedence: Sequence[str]
) -> int:
    """Return the word of a span that has the fewest ancestors; of several the one whose tag stands first in the list.

    A tag that is not in the list comes last (XTREME's converter stops there, so its data hold no such case).
    """
    depths = {word: len(_ancestors(word, heads)) for word in span}
    highest = [word for word in span if depths[word] == min(depths.values())]
    ranks = {tag: rank for rank, tag in enumerate(precedence)}
    return min(highest, key=lambda word: ranks.get(tags[word - 1], len(ranks)))


def _ancestors(word: int, heads: Mapping[int, tuple[int, ...]]) -> set[int]:
    """Return all words above a word, by the tree and by the enhanced dependencies, as XTREME's converter has them."""
    found, waiting = set[int](), list(heads.get(word, ()))
    while waiting:
        above = waiting.pop()
        if above not in found:
            found.add(above)
            waiting.extend(heads.get(above, ()))
    return found - {word}
