"""Entity-level F1 over BIO tags, micro-averaged over sentences (what seqeval's default mode computes)."""

from collections.abc import Sequence

from xstilts_hpc.metrics.base import Metric
from xstilts_hpc.metrics.tags import Segments, Tags, segments, segments_f1, tags_of


def entity_f1(
    predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]], language: str = ""
) -> dict[str, float]:
    """Return F1, precision and recall of entities; one tag sequence per sentence on both sides."""
    predicted, gold = tags_of(predictions, references)
    return segments_f1(_entities(predicted), _entities(gold))


def _entities(tags: Tags) -> Segments:
    """Cut sentences into entities, and what lies between them.

    The lenient rule of conlleval: an entity starts at B-*, or at I-* when no entity of that type is open.
    """
    parts = [name.partition("-") for name in tags.names]
    types = {name: i for i, name in enumerate(dict.fromkeys(name for _, _, name in parts))}
    kinds = [types[name] if prefix in ("B", "I") else -1 for prefix, _, name in parts]
    return segments(tags, kinds=[*kinds, -1], alone=[*(prefix == "B" for prefix, _, _ in parts), False])


ENTITY_F1 = Metric("entity F1", entity_f1, ("f1",))
