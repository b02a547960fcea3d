"""The HDF5 file of a run's logits for one task: one group per language, readable with plain h5py."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
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
_FORMAT = "v110"
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
_TEXTS = ("contexts", "answers")


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


def write_logits(path: Path, header: Header, languages: Mapping[str, tuple[Logits, str]]) -> None:
    """Write a whole file; `languages` gives each language's logits and the digest of its evaluation data."""
    with whole_file(path) as partial, h5py.File(partial, "w", libver=_FORMAT, locking=False) as file:
        _write_header(file, header)
        for language, (logits, data) in languages.items():
            _write_group(file.create_group(language), logits, data)


def merge_logits(path: Path, header: Header, parts: Iterable[Path]) -> None:
    """Write one file from files of single languages."""
    with whole_file(path) as partial, h5py.File(partial, "w", libver=_FORMAT, locking=False) as file:
        _write_header(file, header)
        for part in parts:
            with _open(part) as source:
                for language in source:
                    source.copy(language, file)


def read_logits(path: Path, languages: Iterable[str] | None = None) -> dict[str, Logits]:
    """Return the logits of a file by language (all of them, or those named).

    Raises LogitsError where the file is missing, damaged, of another schema, or has no such language.
    """
    with _open(path) as file, _damage_named(path):
        kind = LOGITS_TYPE[Kind(file.attrs["kind"])]
        names = list(file) if languages is None else list(languages)
        missing = [name for name in names if name not in file]
        if missing:
            raise LogitsError(f"{path}: no logits for {', '.join(missing)}; it has {', '.join(file)}")
        return {name: _read_group(file[name], kind) for name in names}


def read_header(path: Path) -> Header:
    """Return the root attributes of a logits file."""
    with _open(path) as file, _damage_named(path):
        values = {item.name: file.attrs[item.name] for item in fields(Header)}
        return Header(**{**values, "labels": tuple(map(str, values["labels"]))})


def data_digests(path: Path) -> dict[str, str]:
    """Return the digest of each language's evaluation data, as recorded when it was predicted."""
    with _open(path) as file, _damage_named(path):
        return {language: str(group.attrs["data"]) for language, group in file.items()}


def _open(path: Path) -> h5py.File:
    if not path.is_file():
        raise LogitsError(f"{path}: no such file")
    try:
        file = h5py.File(path, "r", locking=False)
        schema = file.attrs["schema"]
    except (OSError, RuntimeError, KeyError) as error:
        raise LogitsError(f"{path}: not a logits file, or truncated ({error})") from error
    if schema != SCHEMA:
        file.close()
        raise LogitsError(f"{path}: schema {schema}, this version reads {SCHEMA}; install the version that wrote it")
    return file


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Make whatever HDF5 raises on a damaged file one LogitsError."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise LogitsError(
            f"{path}: damaged ({error}); delete it and its DONE.json and submit the grid again"
        ) from error


def _write_header(file: h5py.File, header: Header) -> None:
    values = asdict(header)
    file.attrs.create("labels", values.pop("labels"), dtype=h5py.string_dtype(), shape=(len(header.labels),))
    file.attrs.update(values)


def _write_group(group: h5py.Group, logits: Logits, data: str) -> None:
    group.attrs.update({"examples": len(logits.example_id), "complete": True, "data": data})
    for item in fields(logits):
        value = getattr(logits, item.name)
        if value is None:
            continue
        if item.name in _TEXTS:
            _write_texts(group, item.name, value)
        elif isinstance(value, RetrievalLogits):
            _write_group(group.create_group(item.name), value, data)
        elif isinstance(value, tuple):
            _write_array(group, item.name, _fixed_length(value))
        else:
            _write_array(group, item.name, value.astype(_STORED_AS.get(item.name, value.dtype), copy=False))


def _write_array(group: h5py.Group, name: str, array: NDArray[Any]) -> None:
    """Write a checksummed dataset; chunks are whole rows, since fletcher32 needs chunks."""
    if 0 in array.shape:
        group.create_dataset(name, data=array)
        return
    rows = max(1, _CHUNK_BYTES // array[:1].nbytes)
    group.create_dataset(name, data=array, chunks=(min(rows, len(array)), *array.shape[1:]), fletcher32=True)


def _fixed_length(texts: tuple[str, ...]) -> NDArray[Any]:
    encoded = [text.encode() for text in texts]
    length = max((len(text) for text in encoded), default=1) or 1
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", length))


def _write_texts(group: h5py.Group, name: str, texts: tuple[str, ...]) -> None:
    encoded = [text.encode() for text in texts]
    starts = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    _write_array(group, f"{name}_utf8", np.frombuffer(b"".join(encoded), dtype=np.uint8))
    _write_array(group, f"{name}_first_byte", starts)


def _read_group(group: h5py.Group, kind: type[Logits]) -> Logits:
    values: dict[str, Any] = {}
    for item in fields(kind):
        if item.name in _TEXTS:
            values[item.name] = _read_texts(group, item.name)
        elif item.name in group and isinstance(group[item.name], h5py.Group):
            values[item.name] = _read_group(group[item.name], kind)
        elif item.name in group:
            array = group[item.name][()]
            values[item.name] = tuple(text.decode() for text in array) if array.dtype.kind == "S" else array
    return kind(**values)


def _read_texts(group: h5py.Group, name: str) -> tuple[str, ...] | None:
    if f"{name}_utf8" not in group:
        return None
    data, starts = group[f"{name}_utf8"][()].tobytes(), group[f"{name}_first_byte"][()].tolist()
    return tuple(data[a:b].decode() for a, b in pairwise(starts))
