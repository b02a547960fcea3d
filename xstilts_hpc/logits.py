"""The HDF5 file of a run's logits for one task: one group per language, readable with plain h5py.

It is read by logits_file.py.
"""

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.errors import LogitsError
from xstilts_hpc.examples import Kind
from xstilts_hpc.files import whole_file

SCHEMA = 2
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
# The attribute with the checksum of the texts of a group's attributes, which HDF5 keeps in a heap that has none.
CHECKSUM = "texts_crc32"


@dataclass(frozen=True)
class Header:
    """The root attributes of a logits file; `labels` are the names of the columns (none for spans and retrieval)."""

    run: str
    task: str
    kind: str
    split: str
    model: str
    code: str
    created: str
    labels: tuple[str, ...] = ()
    schema: int = SCHEMA

    @property
    def texts(self) -> tuple[str, ...]:
        """Return all texts, in the order of their checksum."""
        return (self.run, self.task, self.kind, self.split, self.model, self.code, self.created, *self.labels)


def checksum_of(*texts: str) -> int:
    """Return the CRC-32 of texts in UTF-8, each followed by a zero byte; LogitsError where one cannot be stored."""
    zeros = [text for text in texts if "\0" in text]
    if zeros:
        raise LogitsError(f"{zeros[0]!r} has a zero, where HDF5 ends the text of an attribute; rename it")
    return zlib.crc32(b"".join(text.encode(errors="surrogateescape") + b"\0" for text in texts))


def write_logits(path: Path, header: Header, languages: Mapping[str, tuple[Logits, str]]) -> None:
    """Write a whole file; `languages` gives each language's logits and the digest of its evaluation data.

    Raises LogitsError where a text could not be read back as it is.
    """
    with whole_file(path) as partial, h5py.File(partial, "w", libver=FORMAT, locking=False) as file:
        write_header(file, header)
        for language, (logits, data) in languages.items():
            _write_group(file.create_group(language), logits, data)


def write_header(file: h5py.File, header: Header) -> None:
    """Write the root attributes."""
    checksum, values = np.uint32(checksum_of(*header.texts)), asdict(header)
    file.attrs.create("labels", values.pop("labels"), dtype=h5py.string_dtype(), shape=(len(header.labels),))
    file.attrs.update({**values, CHECKSUM: checksum})


def _write_group(group: h5py.Group, logits: Logits, data: str) -> None:
    checksum = np.uint32(checksum_of(data))
    group.attrs.update({"examples": len(logits.example_id), "complete": True, "data": data, CHECKSUM: checksum})
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
