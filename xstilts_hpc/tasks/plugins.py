"""Tasks that other packages define: found through the entry points of what is installed, loaded when they are named."""

import ast
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from xstilts_hpc.errors import GridError
from xstilts_hpc.files import digest_of, sha256_of
from xstilts_hpc.tasks.base import Task
from xstilts_hpc.tasks.faults import faults_of

# The group of entry points in which a package names its tasks.
GROUP = "xstilts_hpc.tasks"
_DIGITS = 10


@dataclass
class Plugins:
    """The tasks of other packages; `shipped` are those of this one, which no other may define again."""

    shipped: Mapping[str, Task]
    _loaded: dict[str, Task] = field(default_factory=dict)

    @cached_property
    def _entries(self) -> dict[str, tuple[EntryPoint, ...]]:
        """Return the entry points by name: looked up once in a process, which takes 10 ms beside 98 packages."""
        found: dict[str, tuple[EntryPoint, ...]] = {}
        for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
            found[entry.name] = (*found.get(entry.name, ()), entry)
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all tasks of other packages, whether they can be used or not."""
        return tuple(self._entries)

    def check_name(self, name: str) -> None:
        """Refuse a name that two packages define: which task is meant would depend on what is installed."""
        entries = self._entries.get(name, ())
        packages = [*(["xstilts-hpc itself"] if name in self.shipped else []), *map(_package, entries)]
        if entries and len(packages) > 1:
            mend = " or ".join(map(_removal, entries))
            raise GridError(
                f"task {name!r} is defined by {' and by '.join(packages)}; give one another name, or: {mend}"
            )

    def load(self, name: str) -> Task:
        """Return the task of another package, checked, with the digest of the code that defines it."""
        if name not in self._loaded:
            self.check_name(name)
            (entry,) = self._entries[name]
            found = _imported(entry)
            faults = list(faults_of(found, name, {**self.shipped, **self._trained_on(found, name)}))
            if faults:
                raise _unusable(entry, "; ".join(faults))
            self._loaded[name] = replace(found, code=code_digest(entry.module))
        return self._loaded[name]

    def _trained_on(self, found: Any, name: str) -> dict[str, Any]:
        """Return a task, and the one of another package that it trains on, where it does."""
        training_set = str(getattr(found, "training_set", ""))
        entries = self._entries.get(training_set, ())
        return {name: found, **dict(zip([training_set], map(_imported, entries), strict=False))}

    def described(self, name: str) -> str:
        """Return what a record says of a task of another package: package, version, place and digest; else ""."""
        if name in self.shipped:
            return ""
        (entry,) = self._entries[name]
        return f"{_package(entry)}, code {self.load(name).code[:_DIGITS]}"


def _imported(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except Exception as error:
        raise _unusable(entry, f"{type(error).__name__}: {error}") from error


def _unusable(entry: EntryPoint, why: str) -> GridError:
    return GridError(
        f"task {entry.name!r} of {_package(entry)} cannot be used: {why}; mend the package, or: {_removal(entry)}"
    )


def _package(entry: EntryPoint) -> str:
    """Return `mood-task 1.0 (mood_task:MOOD)`."""
    return f"{entry.dist.name} {entry.dist.version} ({entry.value})" if entry.dist else entry.value


def _removal(entry: EntryPoint) -> str:
    return f"pip uninstall {entry.dist.name}" if entry.dist else f"remove {entry.value}"


def code_digest(module: str) -> str:
    """Return the digest of a module's file and of those files of its own package that it imports."""
    found: dict[str, str] = {}
    left = [module]
    while left:
        name = left.pop()
        path = _file_of(name)
        if path and name not in found:
            found[name] = sha256_of(path)
            left.extend(_own_imports(path, name))
    return digest_of(found)


def _file_of(module: str) -> Path | None:
    """Return the file of a module; None where the name is no module (but of something in one), or has no file."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and Path(spec.origin).is_file() else None


def _own_imports(path: Path, module: str) -> Iterator[str]:
    """Yield what a module's file imports from its own package, and the packages that it lies in."""
    top, is_package = module.partition(".")[0], path.name == "__init__.py"
    parts = module.split(".")
    yield from (".".join(parts[:i]) for i in range(1, len(parts)))
    if path.suffix != ".py":
        return
    for node in ast.walk(ast.parse(path.read_bytes())):
        for name in _imports(node, parts if is_package else parts[:-1]):
            if name.partition(".")[0] == top:
                yield name


def _imports(node: ast.AST, package: Sequence[str]) -> Iterator[str]:
    """Yield the modules that a statement may import; `package` is the one that its module lies in."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package[: len(package) - node.level + 1] if node.level else ()
        origin = ".".join([*above, *([node.module] if node.module else [])])
        yield origin
        yield from (f"{origin}.{alias.name}" for alias in node.names)
