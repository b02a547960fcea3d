"""Turn texts into token ids on every core that this process may use."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.data.columns import ragged_from
from xstilts_hpc.data.ragged import Ragged

# Read by the tokenizers library at every call, so it can be on for one call and off for the rest of the process.
_THREADS = "TOKENIZERS_PARALLELISM"


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
