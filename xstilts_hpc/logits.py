"""The HDF5 file of a run's logits for one task: one group per language, readable with plain h5py.

It is read by logits_file.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.errors import LogitsError
from xstilts_hpc.examples import Kind
from xstilts_hpc.files import whole_file

SCHEMA = 3
# The file format of HDF5 1.10 checksums the metadata too: before it, a flipped byte there could crash the reader.
FORMAT = "v110"
# Small enough for a part of a file to be read, large enough to be read fast (4,096 rows took 3 times as long).
_CHUNK_BYTES = 2**19
# Integers that are stored small, since they are most of a span task's file: characters of a context, and 0 or 1.
_STORED_AS = {"offsets": np.int32, "max_context": np.uint8}

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class SequenceLogits:
    """Sequence and choice tasks: `logits[examples, labels]`, `gold[examples]` as index of a label or choice."""

    example_id: tuple[str, ...]
    logits: Floats
    gold: Integers | None = None


@dataclass(frozen=True)
class TokenLogits:
    """Token tasks: `logits[words, labels]`, `gold[words]`; example i has words first_word[i] to first_word[i+1]."""

    example_id: tuple[str, ...]
    logits: Floats
    first_word: Integers
    gold: Integers | None = None


@dataclass(frozen=True)
class SpanLogits:
    """Span tasks, over the context tokens of each feature (a window of an example).

    `start_logits[tokens]`, `end_logits[tokens]`; feature i has tokens first_token[i] to first_token[i+1];
    `offsets[tokens, 2]` are characters of the context; `max_context[tokens]` is 1 where this window shows the token
    with the most context; `null_logits[features, 2]` are the start and end logits of the first token (no answer);
    `feature_example[features]` and `example_context[examples]` are indices; `answers` is a JSON list per example.
    """

    example_id: tuple[str, ...]
    start_logits: Floats
    end_logits: Floats
    first_token: Integers
    offsets: Integers
    max_context: Integers
    null_logits: Floats
    feature_example: Integers
    example_context: Integers
    contexts: tuple[str, ...]
    answers: tuple[str, ...] | None = None


@dataclass(frozen=True)
class RetrievalLogits:
    """Retrieval tasks: English queries against foreign candidates.

    `example_id[english]` and `candidate_id[foreign]` are all sentences of the two pools. `query[queries]` and
    `candidate[candidates]` index those of them that were searched: all, or where pairs are mined each distinct text
    once; `*_count` says how often its text (without white space around it) stands in its pool.
    `neighbours[queries, k]` index `candidate` by falling `scores[queries, k]` (cosine); `reverse_*[candidates, k]` the
    same from each candidate to the queries. `gold[pairs, 2]` are indices of example_id and candidate_id.
    `dev` is the same for the split that a threshold is chosen on, None where there is none or it is this split.
    """

    example_id: tuple[str, ...]
    candidate_id: tuple[str, ...]
    query: Integers
    candidate: Integers
    query_count: Integers
    candidate_count: Integers
    scores: Floats
    neighbours: Integers
    reverse_scores: Floats
    reverse_neighbours: Integers
    gold: Integers | None = None
    dev: "RetrievalLogits | None" = None


Logits = SequenceLogits | TokenLogits | SpanLogits | RetrievalLogits

LOGITS_TYPE: dict[Kind, type[Logits]] = {
    Kind.SEQUENCE: SequenceLogits,
    Kind.CHOICE: SequenceLogits,
    Kind.TOKEN: TokenLogits,
    Kind.SPAN: SpanLogits,
    Kind.RETRIEVAL: RetrievalLogits,
}

# Texts of very different lengths: stored as one run of UTF-8 bytes and the position of each text in it.
TEXTS = ("contexts", "answers")
TEXT_PARTS = ("utf8", "first_byte")
# The dataset beside the languages with the names of the labels: 1,285 of CCGbank's are too long for an attribute.
LABELS = "labels"
# HDF5 puts longer ones outside the headers, where nothing has a checksum.
_ATTRIBUTE_BYTES = 60_000


@dataclass(frozen=True)
class Header:
    """What a logits file says of itself; `labels` are the names of the columns (none for spans and retrieval)."""

    run: str
    task: str
    kind: str
    split: str
    model: str
    code: str
    created: str
    labels: tuple[str, ...] = ()
    schema: int = SCHEMA


# The root attributes that are texts.
HEADER_TEXTS = tuple(item.name for item in fields(Header) if item.type is str)


def write_logits(path: Path, header: Header, languages: Mapping[str, tuple[Logits, str]]) -> None:
    """Write a whole file; `languages` gives each language's logits and the digest of its evaluation data.

    Raises LogitsError where a text could not be read back as it is.
    """
    with whole_file(path) as partial, h5py.File(partial, "w", libver=FORMAT, locking=False) as file:
        write_header(file, header)
        for language, (logits, data) in languages.items():
            _write_group(file.create_group(language), logits, data)


def write_header(file: h5py.File, header: Header) -> None:
    """Write the root attributes and the labels."""
    file.attrs["schema"] = header.schema
    for name in HEADER_TEXTS:
        _write_text(file, name, getattr(header, name))
    _write_array(file, LABELS, _fixed_length(LABELS, header.labels))


def _write_text(group: h5py.Group, name: str, text: str) -> None:
    """Write an attribute of fixed length: others lie in a heap without checksum, where a flipped bit can hang HDF5."""
    (value,) = encoded = _fixed_length(name, (text,))
    if len(value) > _ATTRIBUTE_BYTES:
        raise LogitsError(f"{name} has {len(value):,} bytes, an attribute at most {_ATTRIBUTE_BYTES:,}; shorten it")
    group.attrs.create(name, encoded.reshape(()), dtype=encoded.dtype)


def _write_group(group: h5py.Group, logits: Logits, data: str) -> None:
    group.attrs.update({"examples": len(logits.example_id), "complete": True})
    _write_text(group, "data", data)
    for item in fields(logits):
        value = getattr(logits, item.name)
        if value is None:
            continue
        if item.name in TEXTS:
            _write_texts(group, item.name, value)
        elif isinstance(value, RetrievalLogits):
            _write_group(group.create_group(item.name), value, data)
        elif isinstance(value, tuple):
            _write_array(group, item.name, _fixed_length(item.name, value))
        else:
            _write_array(group, item.name, value.astype(_STORED_AS.get(item.name, value.dtype), copy=False))


def _write_array(group: h5py.Group, name: str, array: NDArray[Any]) -> None:
    """Write a checksummed dataset; chunks are whole rows, since fletcher32 needs chunks."""
    if 0 in array.shape:
        group.create_dataset(name, data=array)
        return
    rows = max(1, _CHUNK_BYTES // array[:1].nbytes)
    group.create_dataset(name, data=array, chunks=(min(rows, len(array)), *array.shape[1:]), fletcher32=True)


def _fixed_length(name: str, texts: tuple[str, ...]) -> NDArray[Any]:
    encoded = _encoded(name, texts)
    ending = [text for text in texts if text.endswith("\0")]
    if ending:
        raise LogitsError(
            f"{name} has {ending[0]!r}, which HDF5 would give back without the zero at its end; rename it"
        )
    length = max((len(text) for text in encoded), default=1) or 1
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", length))


def _write_texts(group: h5py.Group, name: str, texts: tuple[str, ...]) -> None:
    encoded = _encoded(name, texts)
    starts = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    arrays: tuple[NDArray[Any], ...] = np.frombuffer(b"".join(encoded), dtype=np.uint8), starts
    for part, array in zip(TEXT_PARTS, arrays, strict=True):
        _write_array(group, f"{name}_{part}", array)


def _encoded(name: str, texts: tuple[str, ...]) -> list[bytes]:
    try:
        return [text.encode() for text in texts]
    except UnicodeEncodeError as error:
        raise LogitsError(
            f"{name} has the text {error.object[:80]!r} with half a surrogate pair, which is no character; mend it"
        ) from error
