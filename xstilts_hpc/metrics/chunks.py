"""XTREME's part-of-speech F1: chunks of equal tags, as seqeval 0.0.12 finds them on bare tags."""

from collections.abc import Sequence

import numpy as np

from xstilts_hpc.metrics.base import Floats, SummedMetric, f1_parts, ratio
from xstilts_hpc.metrics.tags import Segments, Tags, right_words, segment_counts, segments, tags_of


def _count(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]], language: str) -> Floats:
    """Return for each sentence its right, predicted and gold chunks, its right words and all words."""
    predicted, gold = tags_of(predictions, references)
    return np.hstack([segment_counts(_chunks(predicted), _chunks(gold), gold), right_words(predicted, gold)])


def _parts(sums: Floats) -> dict[str, Floats]:
    """Return F1, precision and recall of chunks, and the accuracy over words."""
    return {**f1_parts(sums[..., :3]), "word_accuracy": ratio(sums[..., 3], sums[..., 4])}


def _chunks(tags: Tags) -> Segments:
    """Cut sentences into chunks: runs of one tag, but every SCONJ and SYM is a chunk of its own.

    seqeval reads the first letter of a tag as its prefix, and the prefix S as "a whole entity" (PROTOCOL.md B.4).
    """
    alone = [name.startswith("S") for name in tags.names]
    return segments(tags, kinds=range(len(tags.names) + 1), alone=[*alone, False])


CHUNK_F1 = SummedMetric("chunk F1", ("f1",), _count, _parts)
