"""The training state in the middle of a run: two slots, each with a manifest that is written last."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from xstilts_hpc.errors import RunError, XstiltsError
from xstilts_hpc.files import MALFORMED, fsync, made_of, read_record, sha256_of, stat_key, write_json
from xstilts_hpc.ownership import require_trusted_tree
from xstilts_hpc.run_folder import CURRENT, Product
from xstilts_hpc.train.ranks import Ranks

_SLOTS = ("a", "b")
_TAG = "state"
_MANIFEST = "MANIFEST.json"
_PROBE_BYTES = 2**20


@dataclass(frozen=True)
class Resumed:
    """The step a training goes on from (0: from the beginning), and what was not used, and why.

    `micro_batch_tokens` are those of the updates before (0: none were made): others would draw other dropout masks.
    """

    step: int = 0
    passed_over: tuple[str, ...] = ()
    micro_batch_tokens: int = 0


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training; `identity` must be equal for one to be used (ranks, ZeRO stage, updates).

    Shards are pickles: they are loaded only where nobody but those whom the `root` trusts could have written them.
    """

    folder: Path
    ranks: Ranks
    identity: Mapping[str, Any]
    root: Path
    _verified: dict[str, list[Any]] = field(default_factory=dict)

    def save(self, engine: Any, step: int, *, micro_batch_tokens: int = 0) -> None:
        """Collective. Save after `step` updates to the slot that does not hold the newest checkpoint.

        `micro_batch_tokens` is what the updates after it go on with. DeepSpeed's own `latest` is not written: it names
        a checkpoint before all ranks have written theirs.
        """
        slot = self.folder / str(self.ranks.from_main(self._free_slot() if self.ranks.is_main() else ""))
        if self.ranks.is_main():
            shutil.rmtree(slot, ignore_errors=True)
        self.ranks.barrier()
        try:
            with _without_crc():
                engine.save_checkpoint(str(slot), tag=_TAG, client_state={"step": step}, save_latest=False)
        except RuntimeError:
            _write_something(slot)  # torch does not say that a disk is full ("unexpected pos 128 vs 0"); this does
            raise
        self.ranks.barrier()
        if self.ranks.is_main():
            made = {"step": step, "micro_batch_tokens": micro_batch_tokens}
            manifest = {"slot": slot.name, **made, **self.identity, "files": list(_described(slot))}
            write_json(slot / _MANIFEST, manifest)
            self._verified[slot.name] = self._stat_key(manifest)
            write_json(self.folder / CURRENT, {"slot": slot.name, "step": step})
        self.ranks.barrier()  # nobody leaves before the manifest is there: whoever ends first ends the others

    def load(self, engine: Any) -> Resumed:
        """Collective. Load the newest checkpoint that is whole and of this training, and say which were passed over.

        RunError where others could have written to the checkpoints, or one of their files is a symbolic link.
        """
        require_trusted_tree(self.folder, self.root)  # on every rank, since every rank unpickles
        choice: tuple[str, Resumed] = self.ranks.from_main(self._choose() if self.ranks.is_main() else ("", Resumed()))
        slot, resumed = choice
        if slot:
            path, _ = engine.load_checkpoint(str(self.folder / slot), tag=_TAG)
            if path is None:
                raise RunError(f"{self.folder / slot}: DeepSpeed found no checkpoint in a slot that was verified")
        return resumed

    def _free_slot(self) -> str:
        """Return the slot to write to: never the newest one that is whole."""
        newest, _ = self._choose()
        return next(slot for slot in _SLOTS if slot != newest)

    def _choose(self) -> tuple[str, Resumed]:
        """Return the newest slot whose files verify ("": none), and where it resumes."""
        manifests, passed_over = [], []
        for slot in _SLOTS:
            path = self.folder / slot / _MANIFEST
            if (self.folder / slot).is_dir():
                try:
                    manifests.append({**_manifest(path), "slot": slot})
                except (XstiltsError, OSError, *MALFORMED) as error:
                    passed_over.append(f"{slot}: no manifest, so its writing was cut off ({error})")
        for manifest in sorted(manifests, key=lambda found: -found["step"]):
            problem = self._problem(manifest)
            if not problem:
                resumed = Resumed(manifest["step"], tuple(passed_over), manifest["micro_batch_tokens"])
                return str(manifest["slot"]), resumed
            passed_over.append(f"{manifest['slot']}: {problem}")
        return "", Resumed(0, tuple(passed_over))

    def _problem(self, manifest: Mapping[str, Any]) -> str:
        """Return why a checkpoint cannot be used, "" where it can: it is of another training, or damaged."""
        for name, wanted in self.identity.items():
            if manifest.get(name) != wanted:
                return f"{name} was {manifest.get(name)!r}, now {wanted!r}"
        folder = self.folder / str(manifest["slot"])
        for file in manifest["files"]:
            path = folder / file["path"]
            if not path.is_file() or path.stat().st_size != file["bytes"]:
                return f"{file['path']} is missing or of another size"
        more = _shards(folder) - {file["path"] for file in manifest["files"]}
        if more:
            return f"{min(more)} is not in its manifest"
        return self._differs(folder, manifest)

    def _stat_key(self, manifest: Mapping[str, Any]) -> list[Any]:
        folder = self.folder / str(manifest["slot"])
        return stat_key(folder / file["path"] for file in manifest["files"])

    def _differs(self, folder: Path, manifest: Mapping[str, Any]) -> str:
        """Return which file is not what was written; what this process wrote or read since is not read again."""
        key = self._stat_key(manifest)
        if self._verified.get(folder.name) == key:
            return ""
        for file in manifest["files"]:
            if sha256_of(folder / file["path"]) != file["sha256"]:
                return f"{file['path']} differs from its SHA-256"
        self._verified[folder.name] = key
        return ""


@contextmanager
def _without_crc() -> Iterator[None]:
    """Keep torch from adding CRC-32s to what it saves: half of the CPU time of a save, and the manifest has SHA-256."""
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        yield
    finally:
        torch.serialization.set_crc32_options(before)


def _manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of a slot; TypeError or LookupError where it is of another form."""
    manifest = read_record(path)
    made_of(Resumed, {name: manifest[name] for name in ("step", "micro_batch_tokens")})
    files = [vars(made_of(Product, file)) for file in manifest["files"]]
    return {**manifest, "files": files}


def _shards(slot: Path) -> set[str]:
    """Return the files among which DeepSpeed picks by name what it unpickles, relative to the slot."""
    return {str(path.relative_to(slot)) for path in (slot / _TAG).rglob("*") if path.is_file()}


def _write_something(slot: Path) -> None:
    """Write and remove a file; OSError with the system's own reason where that cannot be done.

    Where there is no folder yet, the main rank was lost before it made one: that is the error then, not this.
    """
    with suppress(FileNotFoundError), tempfile.NamedTemporaryFile(dir=slot) as file:
        file.write(bytes(_PROBE_BYTES))
        file.flush()
        os.fsync(file.fileno())


def _described(slot: Path) -> Iterator[dict[str, Any]]:
    """Yield path, size and SHA-256 of every file of a slot, each forced to disk."""
    for path in sorted(path for path in slot.rglob("*") if path.is_file()):
        fsync(path)
        yield {"path": str(path.relative_to(slot)), "bytes": path.stat().st_size, "sha256": sha256_of(path)}
