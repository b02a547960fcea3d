"""Entity-level F1 over BIO tags, micro-averaged over sentences (what seqeval's default mode computes)."""

from collections.abc import Iterator, Sequence

from xstilts_hpc.metrics.base import Metric, f1_from_counts

Entity = tuple[str, int, int]


def entities(tags: Sequence[str]) -> Iterator[Entity]:
    """Yield (type, first word, last word) of each entity.

    The lenient rule of conlleval: an entity starts at B-*, or at I-* when no entity of that type is open.
    """
    kind, start = "", 0
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        if kind and (prefix != "I" or name != kind):
            yield kind, start, i - 1
            kind = ""
        if prefix in ("B", "I") and not kind:
            kind, start = name, i


def entity_f1(
    predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]], language: str = ""
) -> dict[str, float]:
    """Return F1, precision and recall of entities; one tag sequence per sentence on both sides."""
    correct = predicted = gold = 0
    for prediction, reference in zip(predictions, references, strict=True):
        found, true = set(entities(prediction)), set(entities(reference))
        correct, predicted, gold = correct + len(found & true), predicted + len(found), gold + len(true)
    return f1_from_counts(correct, predicted, gold)


ENTITY_F1 = Metric("entity F1", entity_f1, ("f1",))
