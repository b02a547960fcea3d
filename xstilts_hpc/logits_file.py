"""Reading logits files, language by language, and joining those of single languages.

What a file holds beyond docs/logits.md, or lacks of it, is an error: half understood logits would give wrong scores.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.errors import LogitsError
from xstilts_hpc.examples import Kind
from xstilts_hpc.files import whole_file
from xstilts_hpc.logits import (
    FORMAT,
    HEADER_TEXTS,
    LABELS,
    LOGITS_TYPE,
    SCHEMA,
    TEXT_PARTS,
    TEXTS,
    Header,
    Logits,
    write_header,
)
from xstilts_hpc.logits_check import check_logits, check_starts

# Types that most datasets have: making a dtype from what the file says takes as long as reading a small dataset.
_NATIVE = ((h5py.h5t.NATIVE_FLOAT, np.float32), (h5py.h5t.NATIVE_INT64, np.int64))
# What HDF5, h5py and our own reading raise on a damaged file.
_DAMAGE = (LogitsError, OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, MemoryError)
_REMEDY = "delete it and its DONE.json and submit the grid again"


def _members_of(kind: type[Logits]) -> tuple[set[str], set[str]]:
    """Return the names that the group of a type of logits must have, and those it may have."""
    names = {
        item: [f"{item.name}_{part}" for part in TEXT_PARTS] if item.name in TEXTS else [item.name]
        for item in fields(kind)
    }
    required = {name for item, parts in names.items() if item.default is MISSING for name in parts}
    return required, {name for parts in names.values() for name in parts}


_MEMBERS = {kind: _members_of(kind) for kind in LOGITS_TYPE.values()}


class LogitsFile:
    """A logits file that is open for reading; every method raises LogitsError where the file is damaged.

    Arrays are read with h5py's low-level calls: a file of 40 small languages takes a third of the time.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        """Keep the open file."""
        self._path, self._file = path, file

    def header(self) -> Header:
        """Return what the file says of itself."""
        return self._header

    def data_digests(self) -> dict[str, str]:
        """Return the digest of each language's evaluation data, as recorded when it was predicted."""
        with _damage_named(self._path):
            return {language: _text(self._group(language), "data") for language in self._languages}

    def read(self, languages: Iterable[str] | None = None) -> dict[str, Logits]:
        """Return the logits by language (all of them, or those named)."""
        with _damage_named(self._path):
            there = self._languages
        names = there if languages is None else list(languages)
        missing = [name for name in names if name not in there]
        if missing:
            raise LogitsError(f"{self._path}: no logits for {', '.join(missing)}; it has {', '.join(there)}")
        return {name: self._read(name) for name in names}

    def _read(self, language: str) -> Logits:
        kind, num_labels = LOGITS_TYPE[Kind(self._header.kind)], len(self._header.labels)
        with _damage_named(self._path, f"{language}: "):
            return _read_group(self._group(language), kind, num_labels)

    def _group(self, language: str) -> h5py.h5g.GroupID:
        found = _member(self._file.id, language)
        if not isinstance(found, h5py.h5g.GroupID):
            raise LogitsError(f"{language} is no group, expected one for each language")
        return found

    @cached_property
    def _header(self) -> Header:
        with _damage_named(self._path):
            return _read_header(self._file.id)

    @cached_property
    def _languages(self) -> list[str]:
        return [name.decode() for name in self._file.id if name != LABELS.encode()]


@contextmanager
def open_logits(path: Path) -> Iterator[LogitsFile]:
    """Open a logits file, to read it language by language.

    Raises LogitsError where the file is missing, damaged or of another schema.
    """
    with _open(path) as file:
        yield LogitsFile(path, file)


def read_logits(path: Path | str, languages: Iterable[str] | None = None) -> dict[str, Logits]:
    """Return the logits of a file by language (all of them, or those named).

    Raises LogitsError where the file is missing, damaged, of another schema, or has no such language.
    """
    with open_logits(Path(path)) as file:
        return file.read(languages)


def read_header(path: Path) -> Header:
    """Return what a logits file says of itself."""
    with open_logits(path) as file:
        return file.header()


def data_digests(path: Path) -> dict[str, str]:
    """Return the digest of each language's evaluation data, as recorded when it was predicted."""
    with open_logits(path) as file:
        return file.data_digests()


def merge_logits(path: Path, header: Header, parts: Iterable[Path]) -> None:
    """Write one file from files of single languages."""
    with whole_file(path) as partial, h5py.File(partial, "w", libver=FORMAT, locking=False) as file:
        write_header(file, header)
        for part in parts:
            with _open(part) as source:
                for language in (name for name in source if name != LABELS):
                    source.copy(language, file)


def _open(path: Path) -> h5py.File:
    if not path.is_file():
        raise LogitsError(f"{path}: no such file")
    try:
        file = h5py.File(path, "r", locking=False)
    except (OSError, RuntimeError) as error:
        raise LogitsError(f"{path}: not a logits file, or truncated ({error})") from error
    try:
        _check_schema(path, file)
    except BaseException:
        file.close()
        raise
    return file


def _check_schema(path: Path, file: h5py.File) -> None:
    try:
        schema = file.attrs["schema"]
    except _DAMAGE as error:
        raise LogitsError(f"{path}: not a logits file, or truncated ({error})") from error
    if not isinstance(schema, np.integer) or schema != SCHEMA:
        raise LogitsError(
            f"{path}: schema {schema}, this version reads {SCHEMA}; install the version that wrote it, or {_REMEDY}"
        )


@contextmanager
def _damage_named(path: Path, place: str = "") -> Iterator[None]:
    """Make whatever HDF5 raises on a damaged file one LogitsError."""
    try:
        yield
    except _DAMAGE as error:
        raise LogitsError(f"{path}: damaged ({place}{error}); {_REMEDY}") from error


def _read_header(file: h5py.h5g.GroupID) -> Header:
    labels = _plain(_array(_member(file, LABELS)))
    if not isinstance(labels, tuple):
        raise LogitsError(f"{LABELS} holds {labels.dtype}, expected texts")
    texts: dict[str, Any] = {name: _text(file, name) for name in HEADER_TEXTS}
    header = Header(**texts, labels=labels)
    if header.kind not in LOGITS_TYPE:
        raise LogitsError(f"unknown kind {header.kind!r}, expected one of {', '.join(LOGITS_TYPE)}")
    return header


def _text(group: h5py.h5g.GroupID, name: str) -> str:
    """Return an attribute that is a text of fixed length: others lie where nothing has a checksum."""
    attribute = h5py.h5a.open(group, name.encode())
    dtype = attribute.dtype
    if dtype.kind != "S":
        raise LogitsError(f"its attribute {name} holds {dtype}, expected a text of fixed length")
    value: NDArray[Any] = np.empty(attribute.shape, dtype)
    attribute.read(value)
    return str(value.item().decode())


def _read_group(group: h5py.h5g.GroupID, kind: type[Logits], num_labels: int) -> Logits:
    """Return the logits of a language, or of dev within it, as far as everything about them is as it must be."""
    found = {name.decode() for name in group}
    required, allowed = _MEMBERS[kind]
    if required - found:
        raise LogitsError(f"no dataset {', '.join(sorted(required - found))}")
    if found - allowed:
        raise LogitsError(f"unknown dataset {', '.join(sorted(found - allowed))}")
    if not _number(group, "complete"):
        raise LogitsError("it is marked as not complete")
    logits = _read_members(group, found, kind, num_labels)
    examples = _number(group, "examples")
    if examples != len(logits.example_id):
        raise LogitsError(f"its attribute examples is {examples}, but it has {len(logits.example_id)} ids")
    check_logits(logits, num_labels)
    return logits


def _read_members(group: h5py.h5g.GroupID, found: set[str], kind: type[Logits], num_labels: int) -> Logits:
    values: dict[str, Any] = {}
    for item in fields(kind):
        if item.name in found:
            stored = _member(group, item.name)
            is_group = isinstance(stored, h5py.h5g.GroupID)
            values[item.name] = _read_group(stored, kind, num_labels) if is_group else _plain(_array(stored))
        elif item.name in TEXTS:
            values[item.name] = _read_texts(group, item.name) if f"{item.name}_{TEXT_PARTS[0]}" in found else None
    return kind(**values)


def _member(group: h5py.h5g.GroupID, name: str) -> Any:
    return h5py.h5o.open(group, name.encode())


def _array(stored: h5py.h5d.DatasetID) -> NDArray[Any]:
    kept = stored.get_type()
    known = [dtype for native, dtype in _NATIVE if kept.equal(native)]
    array = np.empty(stored.shape, known[0] if known else stored.dtype)
    if array.dtype.hasobject:
        raise LogitsError(f"{h5py.h5i.get_name(stored).decode()} is of variable length, expected a fixed one")
    if array.size:
        stored.read(h5py.h5s.ALL, h5py.h5s.ALL, array, kept if known else None)
    return array


def _plain(array: NDArray[Any]) -> NDArray[Any] | tuple[str, ...]:
    return tuple(map(bytes.decode, array.tolist())) if array.dtype.kind == "S" else array


def _number(group: h5py.h5g.GroupID, name: str) -> int:
    """Return an attribute that is a whole number, or true or false. Making its own type would take longest."""
    value = np.zeros((), np.int64)
    h5py.h5a.open(group, name.encode()).read(value, h5py.h5t.NATIVE_INT64)
    return int(value)


def _read_texts(group: h5py.h5g.GroupID, name: str) -> tuple[str, ...]:
    data, starts = (_array(_member(group, f"{name}_{part}")) for part in TEXT_PARTS)
    if data.dtype != np.uint8 or starts.dtype.kind not in "iu" or data.ndim != 1 or starts.ndim != 1:
        raise LogitsError(
            f"{name} is kept in {data.dtype} and {starts.dtype}, expected bytes and where each text begins"
        )
    check_starts(f"{name}_{TEXT_PARTS[1]}", starts, len(data), "bytes")
    text = data.tobytes()
    return tuple(text[a:b].decode() for a, b in pairwise(starts.tolist()))
