"""Exact match and token F1 of MLQA's script: punctuation, articles and words by language."""

from collections.abc import Sequence

from xstilts_hpc.metrics.base import Metric


def mlqa(predictions: Sequence[str | None], references: Sequence[Sequence[str]], language: str) -> dict[str, float]:
    """Return exact match and F1."""
    raise NotImplementedError


MLQA_EM_F1 = Metric("EM and F1", mlqa, ("exact_match", "f1"))
