"""SQuAD v2.0: exact match and F1 where a question may have no answer, at the best threshold."""

from collections.abc import Sequence
from typing import Any

from xstilts_hpc.metrics.base import Metric


def squad_v2(predictions: Sequence[Any], references: Sequence[Sequence[str]], language: str = "") -> dict[str, float]:
    """Return exact match and F1."""
    raise NotImplementedError


SQUAD_V2 = Metric("best EM and F1", squad_v2, ("exact_match", "f1"))
