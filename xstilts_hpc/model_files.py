"""The model's files, without the training packages: what pins them, how long a text may be, are they here?"""

import os
from pathlib import Path

from xstilts_hpc.errors import ModelError
from xstilts_hpc.files import Memory, digest_of, read_json, sha256_of, stat_key
from xstilts_hpc.grid import ModelEntry
from xstilts_hpc.run import ModelSource

# XLM-R's positions start behind the padding index, so two of max_position_embeddings are never used.
_UNUSED_POSITIONS = 2


def model_source(entry: ModelEntry, *, root: Path, memory: Memory) -> ModelSource:
    """Return where a grid's model comes from, a folder pinned by the digest of its files."""
    if entry.id:
        return ModelSource(id=entry.id, revision=entry.revision)
    folder = root / Path(entry.path).expanduser()
    if not (folder / "config.json").is_file():
        raise ModelError(f"model folder {folder} has no config.json; set model.path to a folder saved by transformers")
    if any(folder.glob("*.bin")) and not any(folder.glob("*.safetensors")):
        raise ModelError(f"model folder {folder} has its weights as .bin only; save them as safetensors")
    files = sorted(path for path in folder.iterdir() if path.suffix in (".json", ".safetensors", ".model"))
    pinned = digest_of(["model", stat_key(files)])
    digest = memory.recall(pinned, lambda: digest_of([sha256_of(path) for path in files]))
    return ModelSource(path=entry.path, digest=digest)


def longest_text(source: ModelSource, *, root: Path) -> int:
    """Return the number of tokens that a model takes, special ones included; 512 for XLM-R on the hub."""
    if not source.path:
        return 512
    config = read_json(root / Path(source.path).expanduser() / "config.json")
    return int(config.get("max_position_embeddings", 514)) - _UNUSED_POSITIONS


def require_model(source: ModelSource) -> None:
    """Raise ModelError where a model of the hub is not in the local cache, because nodes do not download."""
    here = {path.suffix for path in _snapshot(source).glob("*")} if source.id else set()
    if source.id and not {".json", ".safetensors"} <= here:
        raise ModelError(
            f"model {source.id} at revision {source.revision} is not in {hub_cache()}, and nodes do not download; "
            f"on a machine with network: xstilts model fetch {source.id} --revision {source.revision}"
        )


def hub_cache() -> Path:
    """Return the folder in which the hub's client keeps models."""
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    return Path(os.environ.get("HF_HUB_CACHE", home / "hub")).expanduser()


def _snapshot(source: ModelSource) -> Path:
    """Return the folder of a cached model."""
    return hub_cache() / f"models--{source.id.replace('/', '--')}" / "snapshots" / source.revision
