"""F1 of mined sentence pairs, and the mining by ratio margin."""

from collections.abc import Sequence
from typing import Any

from xstilts_hpc.metrics.base import Metric


def bitext_f1(predictions: Sequence[Any], references: Sequence[Any], language: str = "") -> dict[str, float]:
    """Return F1, precision and recall of the set of predicted pairs against the set of gold pairs."""
    raise NotImplementedError


BITEXT_F1 = Metric("pair F1", bitext_f1, ("f1",))
