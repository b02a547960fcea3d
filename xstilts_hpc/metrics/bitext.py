"""F1 of mined sentence pairs, and the mining by ratio margin (as LASER does it, and XTREME after it)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.metrics.base import Floats, SummedMetric, f1_parts

Cosines = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]


def sources(predictions: Sequence[Any], references: Sequence[Any]) -> list[Any]:
    """Return the foreign sentences of all pairs, each once: the items of the metric."""
    return sorted({pair[0] for pair in (*predictions, *references)})


def _count(predictions: Sequence[Any], references: Sequence[Any], language: str) -> Floats:
    """Return for each foreign sentence of a predicted or gold pair its right, predicted and gold pairs."""
    item = {source: i for i, source in enumerate(sources(predictions, references))}
    predicted, gold = set(predictions), set(references)
    found = [np.array([item[source] for source, _ in pairs], np.int64) for pairs in (predicted & gold, predicted, gold)]
    return np.stack([np.bincount(one, minlength=len(item)) for one in found], axis=1).astype(np.float64)


BITEXT_F1 = SummedMetric("pair F1", ("f1",), _count, f1_parts)


@dataclass(frozen=True)
class Neighbours:
    """The nearest sentences of the other pool: `cosine[sentences, k]`, and their `index[sentences, k]` in that pool."""

    cosine: Cosines
    index: Integers

    def best(self, mean: Cosines, other_mean: Cosines) -> tuple[Integers, Cosines]:
        """Return each sentence's neighbour with the largest ratio margin, and that margin.

        The margin of a pair is its cosine over the mean of the two means of the cosines to all k neighbours.
        """
        margins = self.cosine / ((mean[:, None] + other_mean[self.index]) / 2)
        first = margins.argmax(axis=1)[:, None]
        return np.take_along_axis(self.index, first, 1)[:, 0], np.take_along_axis(margins, first, 1)[:, 0]


@dataclass(frozen=True)
class Pairs:
    """Pairs of sentences by falling score: indices in the source pool and in the target pool."""

    source: Integers
    target: Integers
    score: NDArray[np.float64]

    def where(self, kept: NDArray[np.bool_]) -> "Pairs":
        """Return some of the pairs."""
        return Pairs(self.source[kept], self.target[kept], self.score[kept])


def mine(forward: Neighbours, backward: Neighbours) -> Pairs:
    """Return one-to-one pairs: the best target of every source and the best source of every target, best score first.

    `forward` are the neighbours of the sources among the targets, `backward` those of the targets.
    """
    if not len(forward.index) or not len(backward.index):
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    means = forward.cosine.mean(axis=1), backward.cosine.mean(axis=1)
    targets, forward_scores = forward.best(means[0], means[1])
    sources, backward_scores = backward.best(means[1], means[0])
    source = np.concatenate([np.arange(len(targets)), sources])
    target = np.concatenate([targets, np.arange(len(sources))])
    score = np.concatenate([forward_scores, backward_scores]).astype(np.float64)
    order = np.argsort(-score, kind="stable")
    pairs = Pairs(source[order], target[order], score[order])
    return pairs.where(_one_to_one(pairs, len(targets), len(sources)) & (pairs.score > 0))


def _one_to_one(pairs: Pairs, num_sources: int, num_targets: int) -> NDArray[np.bool_]:
    """Say which pairs are taken when each is taken in turn unless one of its sentences already was.

    In rounds: a pair that is the first left of both its sentences is taken, and whatever shares one with it goes.
    """
    taken = np.zeros(len(pairs.source), dtype=bool)
    left = np.arange(len(taken))
    while len(left):
        source, target = pairs.source[left], pairs.target[left]
        new = _are_first(source, num_sources) & _are_first(target, num_targets)
        taken[left[new]] = True
        left = left[~(_occur(source, source[new], num_sources) | _occur(target, target[new], num_targets))]
    return taken


def _are_first(indices: Integers, size: int) -> NDArray[np.bool_]:
    """Say which indices (below `size`) do not occur before."""
    first = np.zeros(size, dtype=np.int64)
    positions = np.arange(len(indices))
    # Where an index repeats, numpy keeps what is assigned last.
    first[indices[::-1]] = positions[::-1]
    return np.equal(first[indices], positions)


def _occur(indices: Integers, wanted: Integers, size: int) -> NDArray[np.bool_]:
    """Say which indices (below `size`) are among the wanted ones."""
    marked = np.zeros(size, dtype=bool)
    marked[wanted] = True
    return marked[indices]


def best_threshold(scores: NDArray[np.float64], right: NDArray[np.bool_], num_gold: int) -> float:
    """Return the score midway between the last pair taken at the best F1 and the next one.

    `scores` fall. It is the last score where no pair follows, and 0 where no pair is right.
    """
    correct = np.cumsum(right)
    if not len(right) or not correct[-1]:
        return 0.0
    precision, recall = correct / np.arange(1, len(right) + 1), correct / num_gold
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(np.float64).tiny)
    best = int(f1.argmax())
    return float((scores[best] + scores[min(best + 1, len(scores) - 1)]) / 2)
