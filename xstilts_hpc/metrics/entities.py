"""Entity-level F1 over BIO tags, micro-averaged over sentences (what seqeval's default mode computes)."""

from collections.abc import Sequence

from xstilts_hpc.metrics.base import Floats, SummedMetric, f1_parts
from xstilts_hpc.metrics.tags import Segments, Tags, segment_counts, segments, tags_of


def _count(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]], language: str) -> Floats:
    """Return for each sentence its right, predicted and gold entities."""
    predicted, gold = tags_of(predictions, references)
    return segment_counts(_entities(predicted), _entities(gold), gold)


def _entities(tags: Tags) -> Segments:
    """Cut sentences into entities, and what lies between them.

    The lenient rule of conlleval: an entity starts at B-*, or at I-* when no entity of that type is open.
    """
    parts = [name.partition("-") for name in tags.names]
    types = {name: i for i, name in enumerate(dict.fromkeys(name for _, _, name in parts))}
    kinds = [types[name] if prefix in ("B", "I") else -1 for prefix, _, name in parts]
    return segments(tags, kinds=[*kinds, -1], alone=[*(prefix == "B" for prefix, _, _ in parts), False])


ENTITY_F1 = SummedMetric("entity F1", ("f1",), _count, f1_parts)
