"""Turn texts into token ids on every core that this process may use."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.data.columns import ragged_from
from xstilts_hpc.data.ragged import Ragged
from xstilts_hpc.errors import ModelError

# Read by the tokenizers library at every call, so it can be on for one call and off for the rest of the process.
_THREADS = "TOKENIZERS_PARALLELISM"


@dataclass(frozen=True)
class Specials:
    """The special tokens of a tokenizer: one before a text and one behind it, and those between two texts.

    XLM-R writes `<s> a </s></s> b </s>`, mDeBERTa `[CLS] a [SEP] b [SEP]`.
    """

    before: int
    between: tuple[int, ...]
    after: int

    @property
    def of_pair(self) -> int:
        """Return how many there are around two texts."""
        return len(self.between) + 2


def specials_of(tokenizer: Any) -> Specials:
    """Return the special tokens that a tokenizer puts around texts, asked of itself."""
    one, two = (_around(tokenizer.backend_tokenizer.encode(*texts)) for texts in (("a",), ("a", "a")))
    if [len(ids) for ids in one] != [1, 1] or len(two) != 3 or [two[0], two[2]] != one or not two[1]:
        raise ModelError(
            f"this tokenizer puts the special tokens {one} around one text and {two} around two; expected one before, "
            "one behind, and at least one between: use a model whose tokenizer has such a template"
        )
    return Specials(two[0][0], tuple(two[1]), two[2][0])


def _around(encoding: Any) -> list[list[int]]:
    """Return the ids before, between and behind the texts of an encoding."""
    found: list[list[int]] = [[]]
    before = None
    for token, text in zip(encoding.ids, encoding.sequence_ids, strict=True):
        if text is None:
            found[-1].append(token)
        elif text != before:
            found.append([])
        before = text if text is not None else before
    return found


def word_mark(tokenizer: Any) -> str:
    """Return what to put before a word of a sentence: a space, where the tokenizer tells words by one and adds none."""
    plain, spaced = (encoding.ids for encoding in _encodings(tokenizer, ["a", " a"]))
    return "" if plain == spaced else " "


def tokenize(tokenizer: Any, texts: Sequence[str]) -> Ragged:
    """Return the ids of every text, without special tokens."""
    return ragged_from([encoding.ids for encoding in _encodings(tokenizer, texts)])


def tokenize_with_offsets(tokenizer: Any, texts: Sequence[str]) -> tuple[Ragged, NDArray[np.int64]]:
    """Return the ids of every text, and of every id the characters (first, behind the last) it stands for."""
    encodings = _encodings(tokenizer, texts)
    ids = ragged_from([encoding.ids for encoding in encodings])
    pairs = [pair for encoding in encodings for pair in encoding.offsets]
    return ids, ragged_from(pairs).values.reshape(-1, 2)


def _encodings(tokenizer: Any, texts: Sequence[str]) -> list[Any]:
    """Encode a batch with the library itself: the layer above it makes lists of masks that nobody reads."""
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    with _threads():
        encodings: list[Any] = backend.encode_batch(list(texts), add_special_tokens=False)
    return encodings


@contextmanager
def _threads() -> Iterator[None]:
    """Let the tokenizers library use its threads, one per core of the process's affinity, inside the block only.

    They are threads of Rust that live outside Python's lock and need no second process: starting one costs seconds of
    imports, and forking one beside the threads of torch may hang.
    """
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before
