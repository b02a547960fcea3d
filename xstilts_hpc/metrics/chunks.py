"""XTREME's part-of-speech F1: chunks of equal tags, as seqeval 0.0.12 finds them on bare tags."""

from collections.abc import Sequence

from xstilts_hpc.metrics.base import Metric
from xstilts_hpc.metrics.tags import Segments, Tags, segments, segments_f1, share_of_right_words, tags_of


def chunk_f1(
    predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]], language: str = ""
) -> dict[str, float]:
    """Return F1, precision and recall of chunks, and the accuracy over words."""
    predicted, gold = tags_of(predictions, references)
    return {
        **segments_f1(_chunks(predicted), _chunks(gold)),
        "word_accuracy": share_of_right_words(predicted, gold),
    }


def _chunks(tags: Tags) -> Segments:
    """Cut sentences into chunks: runs of one tag, but every SCONJ and SYM is a chunk of its own.

    seqeval reads the first letter of a tag as its prefix, and the prefix S as "a whole entity" (PROTOCOL.md B.4).
    """
    alone = [name.startswith("S") for name in tags.names]
    return segments(tags, kinds=range(len(tags.names) + 1), alone=[*alone, False])


CHUNK_F1 = Metric("chunk F1", chunk_f1, ("f1",))
