"""What must be there before runs are handed over, because nodes do not download."""

import os
from pathlib import Path

from xstilts_hpc.errors import ModelError
from xstilts_hpc.plan import Plan
from xstilts_hpc.run import ModelSource


def require_model(plan: Plan) -> None:
    """Raise ModelError where a model of the hub is not in the local cache (folders were checked when expanding)."""
    source = next(iter(plan.runs.values())).run.model
    if source.id and not _snapshot(source).is_file():
        raise ModelError(
            f"model {source.id} at revision {source.revision} is not in {hub_cache()}, and nodes do not download; "
            f"on a machine with network: hf download {source.id} --revision {source.revision}"
        )


def hub_cache() -> Path:
    """Return the folder in which the hub's client keeps models."""
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    return Path(os.environ.get("HF_HUB_CACHE", home / "hub")).expanduser()


def _snapshot(source: ModelSource) -> Path:
    """Return the path of the configuration of a cached model; a branch or tag leads to a commit through `refs`."""
    folder = hub_cache() / f"models--{source.id.replace('/', '--')}"
    named = folder / "refs" / source.revision
    commit = named.read_text(encoding="utf-8").strip() if named.is_file() else source.revision
    return folder / "snapshots" / commit / "config.json"
