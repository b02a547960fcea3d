"""XTREME's part-of-speech F1: chunks of equal tags, as seqeval 0.0.12 finds them on bare tags."""

from collections.abc import Sequence

from xstilts_hpc.metrics.base import Metric


def chunk_f1(
    predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]], language: str = ""
) -> dict[str, float]:
    """Return F1, precision and recall of chunks, and the accuracy over words."""
    raise NotImplementedError


CHUNK_F1 = Metric("chunk F1", chunk_f1, ("f1",))
