"""From neighbours to translations: the nearest candidate of each query, or pairs mined from two pools."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.errors import LogitsError
from xstilts_hpc.logits import Integers, RetrievalLogits
from xstilts_hpc.metrics.bitext import Neighbours, Pairs, best_threshold, mine
from xstilts_hpc.tasks.base import Task


def nearest_candidates(logits: RetrievalLogits) -> list[int]:
    """Return the index of the nearest candidate of each query."""
    nearest: list[int] = logits.candidate[logits.neighbours[:, 0]].tolist()
    return nearest


def gold_candidates(task: Task, logits: RetrievalLogits) -> list[int]:
    """Return the index of the right candidate of each query; every query needs one."""
    right = np.full(len(logits.example_id), -1, dtype=np.int64)
    pairs = _gold(task, logits)
    right[pairs[:, 0]] = pairs[:, 1]
    missing = logits.query[right[logits.query] < 0]
    if len(missing):
        first = logits.example_id[missing[0]]
        raise LogitsError(f"{task.title}: {len(missing)} queries have no right candidate (the first is {first!r})")
    candidates: list[int] = right[logits.query].tolist()
    return candidates


def gold_pairs(logits: RetrievalLogits) -> list[tuple[str, str]]:
    """Return the right pairs of a foreign and an English id."""
    assert logits.gold is not None
    return [(logits.candidate_id[foreign], logits.example_id[english]) for english, foreign in logits.gold.tolist()]


def mined_pairs(task: Task, logits: RetrievalLogits) -> list[tuple[str, str]]:
    """Return pairs of a foreign and an English id, best first, that score at least the threshold of the dev split."""
    found = mined(logits)
    kept = found.where(found.score >= threshold(task, logits if logits.dev is None else logits.dev))
    pairs = zip(kept.source.tolist(), kept.target.tolist(), strict=True)
    return [(logits.candidate_id[foreign], logits.example_id[english]) for foreign, english in pairs]


def mined(logits: RetrievalLogits) -> Pairs:
    """Return all mined pairs, best first: indices of candidate_id and example_id, and their ratio margins.

    A sentence whose text stands in its pool more than once gives no pair, since its id cannot be told (XTREME's rule).
    """
    found = mine(
        Neighbours(logits.reverse_scores, logits.reverse_neighbours), Neighbours(logits.scores, logits.neighbours)
    )
    found = found.where((logits.candidate_count[found.source] == 1) & (logits.query_count[found.target] == 1))
    return Pairs(logits.candidate[found.source], logits.query[found.target], found.score)


def threshold(task: Task, logits: RetrievalLogits) -> float:
    """Return the score from which on mined pairs are taken, chosen for the best F1 on these sentences."""
    pairs, found = _gold(task, logits), mined(logits)
    gold = np.unique(_keys(logits, pairs[:, 1], pairs[:, 0]))
    return best_threshold(found.score, np.isin(_keys(logits, found.source, found.target), gold), len(gold))


def _keys(logits: RetrievalLogits, foreign: NDArray[Any], english: NDArray[Any]) -> Integers:
    """Return one number per pair."""
    keys: Integers = foreign.astype(np.int64) * len(logits.example_id) + english
    return keys


def _gold(task: Task, logits: RetrievalLogits) -> Integers:
    if logits.gold is None:
        raise LogitsError(f"{task.title}: the logits hold no gold pairs, so no threshold can be chosen")
    return logits.gold
