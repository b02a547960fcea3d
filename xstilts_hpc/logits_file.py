"""Reading logits files, language by language, and joining those of single languages."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
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
from xstilts_hpc.logits import FORMAT, LOGITS_TYPE, SCHEMA, TEXTS, Header, Logits, write_header


class LogitsFile:
    """A logits file that is open for reading; every method raises LogitsError where the file is damaged.

    Arrays are read with h5py's low-level calls: a file of 40 small languages takes a third of the time.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        """Keep the open file."""
        self._path, self._file = path, file

    def header(self) -> Header:
        """Return the root attributes."""
        with _damage_named(self._path):
            values = {item.name: self._file.attrs[item.name] for item in fields(Header)}
            return Header(**{**values, "labels": tuple(map(str, values["labels"]))})

    def data_digests(self) -> dict[str, str]:
        """Return the digest of each language's evaluation data, as recorded when it was predicted."""
        with _damage_named(self._path):
            root = self._file.id
            return {language: _text_attribute(_member(root, language), b"data") for language in self._languages}

    def read(self, languages: Iterable[str] | None = None) -> dict[str, Logits]:
        """Return the logits by language (all of them, or those named)."""
        with _damage_named(self._path):
            there = self._languages
            names = there if languages is None else list(languages)
            missing = [name for name in names if name not in there]
            if missing:
                raise LogitsError(f"{self._path}: no logits for {', '.join(missing)}; it has {', '.join(there)}")
            return {name: _read_group(_member(self._file.id, name), self._kind) for name in names}

    @cached_property
    def _kind(self) -> type[Logits]:
        return LOGITS_TYPE[Kind(self._file.attrs["kind"])]

    @cached_property
    def _languages(self) -> list[str]:
        return [name.decode() for name in self._file.id]


@contextmanager
def open_logits(path: Path) -> Iterator[LogitsFile]:
    """Open a logits file, to read it language by language.

    Raises LogitsError where the file is missing, damaged or of another schema.
    """
    with _open(path) as file:
        yield LogitsFile(path, file)


def read_logits(path: Path, languages: Iterable[str] | None = None) -> dict[str, Logits]:
    """Return the logits of a file by language (all of them, or those named).

    Raises LogitsError where the file is missing, damaged, of another schema, or has no such language.
    """
    with open_logits(path) as file:
        return file.read(languages)


def read_header(path: Path) -> Header:
    """Return the root attributes of a logits file."""
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
                for language in source:
                    source.copy(language, file)


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


def _read_group(group: h5py.h5g.GroupID, kind: type[Logits]) -> Logits:
    values: dict[str, Any] = {}
    for item in fields(kind):
        if item.name in TEXTS:
            values[item.name] = _read_texts(group, item.name)
        elif item.name.encode() in group:
            stored = _member(group, item.name)
            values[item.name] = (
                _read_group(stored, kind) if isinstance(stored, h5py.h5g.GroupID) else _plain(_array(stored))
            )
    return kind(**values)


def _member(group: h5py.h5g.GroupID, name: str) -> Any:
    return h5py.h5o.open(group, name.encode())


def _array(stored: h5py.h5d.DatasetID) -> NDArray[Any]:
    array = np.empty(stored.shape, stored.dtype)
    if array.size:
        stored.read(h5py.h5s.ALL, h5py.h5s.ALL, array)
    return array


def _plain(array: NDArray[Any]) -> NDArray[Any] | tuple[str, ...]:
    return tuple(map(bytes.decode, array.tolist())) if array.dtype.kind == "S" else array


def _text_attribute(group: h5py.h5g.GroupID, name: bytes) -> str:
    attribute = h5py.h5a.open(group, name)
    value: NDArray[Any] = np.empty(attribute.shape, attribute.dtype)
    attribute.read(value)
    return str(value.item().decode())


def _read_texts(group: h5py.h5g.GroupID, name: str) -> tuple[str, ...] | None:
    if f"{name}_utf8".encode() not in group:
        return None
    data, starts = (_array(_member(group, f"{name}_{part}")) for part in ("utf8", "first_byte"))
    text = data.tobytes()
    return tuple(text[a:b].decode() for a, b in pairwise(starts.tolist()))
