"""Whole files or none: write beside the target, fsync, rename."""

import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from xstilts_hpc.disk import FULL
from xstilts_hpc.errors import RunError

T = TypeVar("T")
# What reading a JSON value of another form than expected raises.
MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
_BEYOND = 2**63


def partial_of(target: Path) -> Path:
    """Return where this process writes what becomes a file or folder; processes of other nodes have other names."""
    return target.with_name(f"{target.name}.{socket.gethostname()}.{os.getpid()}.partial")


@contextmanager
def whole_file(target: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a `.partial` path to write; on success fsync it and rename it to `target`, on failure remove it.

    What can be made again and is checked when it is read need not be `durable`: it may be lost with the machine.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(target)
    try:
        yield partial
        if durable:
            fsync(partial)
        partial.replace(target)
        if durable:
            fsync(target.parent)
    except OSError as error:
        if error.errno in FULL and not error.filename:  # it refuses bytes without naming the file
            error.filename = str(target)
        raise
    finally:
        partial.unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    """Write a text file as a whole."""
    with whole_file(target) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


def write_json(target: Path, value: Any, *, indent: int | None = 1) -> None:
    """Write a JSON file as a whole, with sorted keys; without indent it is written ten times faster."""
    write_text(target, json.dumps(value, indent=indent, sort_keys=True, ensure_ascii=False) + "\n")


def parse_json(text: str) -> Any:
    """Return the value of a JSON text; ValueError where it is none, or is nested too deeply to be read."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_json(path: Path) -> Any:
    """Read a JSON file; a damaged one is a RunError that names the file."""
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: not valid JSON ({error}); delete it and repeat the command that wrote it") from error


def read_record(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object; any other is a RunError that names the file."""
    value = read_json(path)
    if not isinstance(value, dict):
        found = type(value).__name__
        raise RunError(f"{path}: expected a JSON object, found {found}; delete it and repeat the command that wrote it")
    return value


def made_of(kind: type[T], value: Mapping[str, Any]) -> T:
    """Return the dataclass that a JSON object holds; TypeError where a text, a number, true or false is no such."""
    made = kind(**value)
    form: Any = kind
    for name, types in _plain_fields(form):
        if not _is_one_of(types, getattr(made, name)):
            expected = " or ".join(one.__name__ for one in types)
            raise TypeError(f"{name} is {getattr(made, name)!r}, expected {expected}")
    return made


@cache
def _plain_fields(kind: Any) -> list[tuple[str, tuple[type, ...]]]:
    """Return the fields of a dataclass that hold one plain value, and the types that JSON may give for each."""
    types = {str: (str,), int: (int,), bool: (bool,), float: (float, int)}
    return [(item.name, types[item.type]) for item in fields(kind) if item.type in types]


def fits(value: Any, form: Any) -> bool:
    """Say whether a JSON value has a form: a type, several, a list of one form, or names with the form of each.

    A name that ends with `?` may be missing; `str` in place of names stands for all.
    """
    if isinstance(form, list):
        return isinstance(value, list) and all(fits(item, form[0]) for item in value)
    if isinstance(form, dict):
        return isinstance(value, dict) and all(_holds(value, name, each) for name, each in form.items())
    return _is_one_of(form if isinstance(form, tuple) else (form,), value)


def _is_one_of(types: tuple[type, ...], value: Any) -> bool:
    """Say whether a value is of one of some types; a whole number that 64 bits do not hold is none that we wrote."""
    return type(value) in types and not (type(value) is int and abs(value) >= _BEYOND)


def _holds(value: Mapping[str, Any], name: Any, form: Any) -> bool:
    if name is str:
        return all(fits(item, form) for item in value.values())
    key = name.removesuffix("?")
    return fits(value[key], form) if key in value else key != name


def append_json_line(path: Path, value: Any) -> None:
    """Append one JSON line; only the main rank of a run writes such a file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(value, sort_keys=True) + "\n")


def fsync(path: Path) -> None:
    """Force a file or folder to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON, in hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Memory:
    """Facts that are slow to find out (digests, counts), remembered in one JSON file under a key that pins them."""

    def __init__(self, path: Path) -> None:
        """Load what earlier commands remembered; a memory that cannot be read is started anew."""
        self.path = path
        self._facts: dict[str, Any] = {}
        self._changed = False
        if path.is_file():
            try:
                self._facts = dict(parse_json(path.read_text(encoding="utf-8")))
            except (OSError, ValueError, TypeError):
                self._facts = {}

    def recall(self, key: str, form: Any, find_out: Callable[[], Any]) -> Any:
        """Return the fact of a key, finding it out the first time, and where what is remembered lacks its form."""
        if key not in self._facts or not fits(self._facts[key], form):
            self._facts[key] = find_out()
            self._changed = True
        return self._facts[key]

    def save(self) -> None:
        """Write the file if anything was found out, where there is room and this user may."""
        if self._changed:
            with suppress(OSError):
                try:
                    write_json(self.path, self._facts)
                    self._changed = False
                except UnicodeEncodeError:  # half a surrogate pair, that only damage brought there: start anew
                    self.path.unlink(missing_ok=True)


def stat_key(paths: Iterable[Path]) -> list[tuple[str, int, int]]:
    """Return path, size and modification time of files: a key that changes when a file does."""
    return [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
