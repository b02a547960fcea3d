"""The code of a submission: a copy of the running package under the root, so that edits do not reach queued runs."""

import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from xstilts_hpc.errors import RunError
from xstilts_hpc.files import digest_of, fsync, partial_of, sha256_of, whole_file, write_json
from xstilts_hpc.ownership import require_trusted_tree
from xstilts_hpc.version import CODE_RECORD, git, package_top, running_code

SCHEMA = 1
PATCH = "changes.patch"
PACKAGE = __name__.partition(".")[0]
_DIGITS = 16
_NUM_WRITERS = 16


def code_folder(root: Path) -> Path:
    """Return the folder of all snapshots under a root."""
    return root / "code"


def take_snapshot(root: Path) -> Path:
    """Return the folder of a snapshot of the running package, taken now unless there is one of the same files.

    The folder goes first on PYTHONPATH. It is named by the digest of what it holds: the package's files, `code.json`
    (version, commit, whether changed, each file's SHA-256) and, where tracked files of the package were changed,
    `changes.patch`. A snapshot with damaged files is mended; one that others could have written to is refused.
    """
    top = package_top()
    patch = _patch(top)
    record = _record(top, patch)
    folder = code_folder(root.resolve()) / digest_of(record)[:_DIGITS]
    if not folder.is_dir():
        partial = partial_of(folder)
        try:
            _write(partial, top, record, patch)
            _rename(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    require_trusted_tree(folder, root.resolve())
    _mend(folder, top, record, patch)
    os.utime(folder)  # in use: a cleaning that runs now leaves it alone
    return folder


def _sources(top: Path) -> list[Path]:
    """Return the package's files relative to its top: no compiled ones, nothing hidden, no leftovers of editors."""
    found: list[Path] = []
    for folder, inner, names in os.walk(top / PACKAGE):
        inner[:] = sorted(name for name in inner if name != "__pycache__" and not name.startswith("."))
        kept = (name for name in names if not name.startswith(".") and not name.endswith((".pyc", ".partial", "~")))
        found.extend(Path(folder, name).relative_to(top) for name in kept)
    return sorted(path for path in found if (top / path).is_file())


def _record(top: Path, patch: bytes) -> dict[str, Any]:
    """Return what code.json says."""
    paths = _sources(top)
    with ThreadPoolExecutor(_NUM_WRITERS) as pool:
        digests = list(pool.map(lambda path: sha256_of(top / path), paths))
    code = running_code()
    return {
        "schema": SCHEMA,
        "code": str(code),
        **asdict(code),
        "untracked": list(code.untracked),
        "patch": len(patch),
        "files": {str(path): digest for path, digest in zip(paths, digests, strict=True)},
    }


def _patch(top: Path) -> bytes:
    """Return the changes of the package's tracked files since the commit, as `git apply` takes them."""
    if (top / CODE_RECORD).is_file():
        return (top / PATCH).read_bytes() if (top / PATCH).is_file() else b""
    if not running_code().dirty:
        return b""
    return git(top, "diff", "--binary", "HEAD", "--", PACKAGE).encode("utf-8", "surrogateescape")


def _write(folder: Path, top: Path, record: Mapping[str, Any], patch: bytes) -> None:
    """Write a snapshot; the waiting for the disk is shared by several threads."""
    shutil.rmtree(folder, ignore_errors=True)
    for inner in sorted({(folder / path).parent for path in record["files"]}):
        inner.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_NUM_WRITERS) as pool:
        list(pool.map(lambda item: _copy(top / item[0], folder / item[0], item[1]), record["files"].items()))
    if patch:
        (folder / PATCH).write_bytes(patch)
    write_json(folder / CODE_RECORD, record)


def _copy(source: Path, target: Path, digest: str) -> None:
    """Copy one file, read-only: what queued runs will import is not to be edited."""
    shutil.copyfile(source, target)
    if sha256_of(target) != digest:
        raise RunError(f"{source} was changed while the code was copied; repeat the command")
    target.chmod(target.stat().st_mode & ~0o222)
    fsync(target)


def _rename(partial: Path, folder: Path) -> None:
    """Give a written snapshot its name, unless another submitter was faster."""
    try:
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    fsync(folder.parent)


def _mend(folder: Path, top: Path, record: Mapping[str, Any], patch: bytes) -> None:
    """Write anew every file of a snapshot that is missing or not what its record says."""
    for path, digest in record["files"].items():
        if not (folder / path).is_file() or sha256_of(folder / path) != digest:
            with whole_file(folder / path) as partial:
                _copy(top / path, partial, digest)
    if patch and not (folder / PATCH).is_file():
        with whole_file(folder / PATCH) as partial:
            partial.write_bytes(patch)
    if not (folder / CODE_RECORD).is_file():
        write_json(folder / CODE_RECORD, record)
