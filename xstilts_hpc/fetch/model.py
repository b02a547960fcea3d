"""Fetch a model into the hub's cache, as its own client lays it out, so that nodes read it offline."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xstilts_hpc.disk import check_room, disk_errors_are_clear
from xstilts_hpc.errors import ModelError
from xstilts_hpc.fetch.hub import HubFile, Repository, repository
from xstilts_hpc.fetch.transfer import Patience, Wanted, transfer
from xstilts_hpc.fetch.watching import Watching
from xstilts_hpc.files import whole_file, write_text
from xstilts_hpc.lease import hold
from xstilts_hpc.model_files import hub_cache

# Configuration, tokenizer and weights as safetensors: never a pickle, and no code.
_NEEDED = re.compile(
    r"config\.json|generation_config\.json"
    r"|tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json|added_tokens\.json"
    r"|vocab\.json|vocab\.txt|merges\.txt|[\w.]+\.model"
    r"|model\.safetensors|model\.safetensors\.index\.json|model-\d+-of-\d+\.safetensors"
)
_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_WEIGHTS = ".safetensors"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack")


@dataclass(frozen=True)
class FetchedModel:
    """A model in the cache: its commit and the folder of its files."""

    commit: str
    folder: Path


def fetch_model(name: str, revision: str, watching: Watching, patience: Patience | None = None) -> FetchedModel:
    """Fetch what a run needs of a model; what is in the cache and verifies is left alone.

    ModelError where it has no safetensors; LockError where another process fetches the same model.
    """
    if not _ID.fullmatch(name) or ".." in revision:
        raise ModelError(f"{name!r} at {revision!r}: expected an id of the hub, like FacebookAI/xlm-roberta-large")
    patience = patience or Patience()
    found = repository("models", name, revision, patience)
    files = _needed(found)
    cache = hub_cache() / f"models--{name.replace('/', '--')}"
    blobs, snapshot = cache / "blobs", cache / "snapshots" / found.commit
    with disk_errors_are_clear(cache), hold(hub_cache() / ".locks" / cache.name / "xstilts.json"):
        blobs.mkdir(parents=True, exist_ok=True)
        to_come = [file for file in files if not (blobs / _blob(file)).is_file()]
        check_room(blobs, sum(file.num_bytes for file in to_come), name)
        for file in files:
            _bring(file, found, blobs, watching, patience)
            _link(snapshot / file.path, blobs / _blob(file))
        if revision != found.commit:
            write_text(cache / "refs" / revision, found.commit)
    return FetchedModel(found.commit, snapshot)


def _needed(found: Repository) -> list[HubFile]:
    """Return the files to fetch; ModelError where there are no weights among them that are not pickles."""
    files = [file for file in found.files if _NEEDED.fullmatch(file.path)]
    if not any(file.path == "config.json" for file in files):
        raise ModelError(f"{found.id} has no config.json at {found.commit}; is it a model that transformers loads?")
    if not any(file.path.endswith(_WEIGHTS) for file in files):
        raise ModelError(f"{found.id} has no safetensors at {found.commit}, {_instead(found.files)}")
    return files


def _instead(files: Sequence[HubFile]) -> str:
    pickles = [file.path for file in files if file.path.endswith(_PICKLES)]
    return (
        f"only {', '.join(pickles) or 'files without weights'}, which may run code when they are loaded; choose a "
        "revision with safetensors (the hub's converter proposes one as refs/pr/N), or save it as safetensors with "
        "save_pretrained on a machine where that does no harm and set `model: {path: FOLDER}`"
    )


def _blob(file: HubFile) -> str:
    """Return the name of a file's content in the cache."""
    return file.sha256 or file.git_sha1


def _bring(file: HubFile, found: Repository, blobs: Path, watching: Watching, patience: Patience) -> None:
    wanted = Wanted((found.url(file),), file.num_bytes, file.sha256, file.git_sha1)
    if not wanted.is_known:
        raise ModelError(f"the hub states no digest of {file.path} of {found.id}; check HF_ENDPOINT")
    watching.begin(file.path)
    try:
        transfer(wanted, blobs / _blob(file), watching, patience)
    finally:
        watching.end()
    watching.says(f"verified {file.path} ({file.num_bytes:,} bytes)")


def _link(path: Path, blob: Path) -> None:
    """Put a link where the hub's client looks for a file, at once: a run that reads the model never misses it."""
    content = Path("..") / ".." / "blobs" / blob.name
    if path.is_symlink() and path.readlink() == content:
        return
    with whole_file(path, durable=False) as partial:
        partial.symlink_to(content)
