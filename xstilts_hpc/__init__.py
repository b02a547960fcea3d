"""Slurm batch toolkit for English intermediate-task training and zero-shot cross-lingual transfer."""

from typing import TYPE_CHECKING, Any

from xstilts_hpc.version import VERSION

if TYPE_CHECKING:
    from xstilts_hpc.logits_file import read_logits
    from xstilts_hpc.plan import load_plan
    from xstilts_hpc.results.collect import collect

__all__ = ["collect", "load_plan", "read_logits"]
__version__ = VERSION


def __getattr__(name: str) -> Any:
    """Import the public functions on first use, so that the command line starts at once."""
    import importlib

    modules = {"collect": "results.collect", "load_plan": "plan", "read_logits": "logits_file"}
    if name not in modules:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"{__name__}.{modules[name]}"), name)
