"""The model's files, without the training packages: what pins them, how long a text may be, are they here?"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xstilts_hpc.errors import ModelError
from xstilts_hpc.families import check_config, whole_number
from xstilts_hpc.files import Memory, digest_of, read_json, sha256_of, stat_key
from xstilts_hpc.grid import ModelEntry
from xstilts_hpc.run import ModelSource

# What XLM-R takes; of another model on the hub it is known once its config.json is in the local cache.
_USUAL_TEXT = 512


def model_source(entry: ModelEntry, *, root: Path, memory: Memory, needed: bool = True) -> ModelSource:
    """Return where a grid's model comes from, a folder pinned by the digest of its files.

    Where it is not `needed`, a folder may be missing.
    """
    if entry.id:
        return ModelSource(id=entry.id, revision=entry.revision)
    folder = root / Path(entry.path).expanduser()
    config = folder / "config.json"
    if not config.is_file() and not needed:
        return ModelSource(path=entry.path)
    if not config.is_file():
        raise ModelError(f"model folder {folder} has no config.json; set model.path to a folder saved by transformers")
    if any(folder.glob("*.bin")) and not any(folder.glob("*.safetensors")):
        raise ModelError(f"model folder {folder} has its weights as .bin only; save them as safetensors")
    check_config(_read_config(config), str(config))
    files = sorted(path for path in folder.iterdir() if path.suffix in (".json", ".safetensors", ".model"))
    pinned = digest_of(["model", stat_key(files)])
    digest = memory.recall(pinned, str, lambda: digest_of([sha256_of(path) for path in files]))
    return ModelSource(path=entry.path, digest=digest)


def longest_text(source: ModelSource, *, root: Path) -> int:
    """Return the number of tokens that a model takes, special ones included."""
    config = model_config(source, root)
    if not config:
        return _USUAL_TEXT
    unused = check_config(config, _said(source)).unused_positions
    return whole_number(config, "max_position_embeddings", _USUAL_TEXT + unused, _said(source)) - unused


def model_config(source: ModelSource, root: Path) -> Mapping[str, Any]:
    """Return the config.json of a model, from its folder or the local cache of the hub; empty where neither has it.

    ModelError where the folder that a digest pins has none.
    """
    folder = root / Path(source.path).expanduser() if source.path else _snapshot(source)
    path = folder / "config.json"
    if not source.digest and not path.is_file():
        return {}
    if not path.is_file():
        raise ModelError(f"{path}: no such file; put the model there, or copy it with the runs (config.json is enough)")
    return _read_config(path)


def _read_config(path: Path) -> Mapping[str, Any]:
    found = read_json(path)
    if not isinstance(found, dict):
        raise ModelError(f"{path}: expected a JSON object, found {type(found).__name__}; fetch the model again")
    return found


def _said(source: ModelSource) -> str:
    return source.path or f"{source.id} (revision {source.revision})"


def require_model(source: ModelSource) -> None:
    """Raise ModelError where a model of the hub is not in the local cache, because nodes do not download."""
    here = {path.suffix for path in _snapshot(source).glob("*")} if source.id else set()
    if source.id and not {".json", ".safetensors"} <= here:
        raise ModelError(
            f"model {source.id} at revision {source.revision} is not in {hub_cache()}, and nodes do not download; "
            f"on a machine with network: xstilts model fetch {source.id} --revision {source.revision}"
        )


def hub_cache() -> Path:
    """Return the folder in which the hub's client keeps models: of the variables that it reads, in its order."""
    caches = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"))
    home = _expanded(os.environ.get("HF_HOME", caches / "huggingface"))
    older = os.environ.get("HUGGINGFACE_HUB_CACHE", home / "hub")
    return _expanded(os.environ.get("HF_HUB_CACHE", older))


def _expanded(path: str | Path) -> Path:
    """Return a path of the environment as the hub's client reads it: the home folder first, then variables."""
    return Path(os.path.expandvars(Path(path).expanduser()))


def _snapshot(source: ModelSource) -> Path:
    """Return the folder of a cached model."""
    return hub_cache() / f"models--{source.id.replace('/', '--')}" / "snapshots" / source.revision
