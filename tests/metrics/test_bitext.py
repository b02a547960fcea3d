"""Mining of sentence pairs, on pools small enough to mine by hand."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts_hpc.metrics.bitext import BITEXT_F1, Neighbours, Pairs, best_threshold, mine


def pools(cosine: list[list[float]], k: int) -> tuple[Neighbours, Neighbours]:
    """Return the k neighbours both ways of pools with these cosines[sources, targets]."""
    return nearest(np.array(cosine, dtype=np.float32), k), nearest(np.array(cosine, dtype=np.float32).T, k)


def nearest(cosine: Any, k: int) -> Neighbours:
    index = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
    return Neighbours(np.take_along_axis(cosine, index, 1), index)


def listed(pairs: Pairs) -> list[tuple[int, int]]:
    return list(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True))


def test_pair_f1_counts_a_repeated_pair_once() -> None:
    predicted = [("xx-1", "en-1"), ("xx-1", "en-1"), ("xx-2", "en-9")]
    gold = [("xx-1", "en-1"), ("xx-3", "en-3"), ("xx-4", "en-4")]
    scores = BITEXT_F1.compute(predicted, gold, "de")
    assert scores == {"precision": 0.5, "recall": pytest.approx(1 / 3), "f1": pytest.approx(0.4)}


def test_nothing_mined_scores_zero() -> None:
    assert BITEXT_F1.compute([], [("xx-1", "en-1")], "de") == {"precision": 0.0, "recall": 0.0, "f1": 0.0}


def test_the_margin_is_the_cosine_over_the_mean_of_both_neighbourhoods() -> None:
    found = mine(*pools([[0.8, 0.4], [0.2, 0.6]], k=2))
    # Means of the sources 0.6 and 0.4, of the targets 0.5 and 0.5: 0.6 / 0.45 beats 0.8 / 0.55.
    assert listed(found) == [(0, 0), (1, 1)]
    assert found.score.tolist() == pytest.approx([0.8 / 0.55, 0.6 / 0.45])


def test_a_large_cosine_to_everything_is_no_margin() -> None:
    # Target 1 is near both sources: by cosine source 0 goes to it (0.9), by margin to target 0.
    found = mine(*pools([[0.8, 0.9], [0.1, 0.9]], k=2))
    assert listed(found) == [(1, 1), (0, 0)]
    assert found.score.tolist() == pytest.approx([0.9 / ((0.5 + 0.9) / 2), 0.8 / ((0.85 + 0.45) / 2)])


def test_each_sentence_is_in_one_pair_only() -> None:
    # Both sources are nearest to target 0; the better keeps it, and target 1 gets what is left.
    found = mine(*pools([[0.9, 0.1], [0.8, 0.2]], k=1))
    assert listed(found) == [(0, 0), (1, 1)]
    assert found.score.tolist() == pytest.approx([1.0, 0.2 / ((0.8 + 0.2) / 2)])


def test_pairs_of_negative_margin_are_dropped() -> None:
    # Source 1 is best with target 1: a cosine of -0.1 over the mean of -0.2 and 0.3.
    assert listed(mine(*pools([[0.9, 0.7], [-0.3, -0.1]], k=2))) == [(0, 0)]


def test_an_empty_pool_gives_no_pair() -> None:
    empty = Neighbours(np.zeros((0, 0), np.float32), np.zeros((0, 0), np.int64))
    assert listed(mine(empty, empty)) == []


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 12), st.integers(1, 4))
def test_pairs_taken_in_rounds_are_those_taken_one_by_one(seed: int, sources: int, targets: int, k: int) -> None:
    # Few distinct cosines, so that equal scores are common.
    cosine = np.random.default_rng(seed).integers(1, 9, (sources, targets)).astype(np.float32) / 8
    forward, backward = nearest(cosine, k), nearest(cosine.T, k)
    mean, other = forward.cosine.mean(1), backward.cosine.mean(1)
    there, back = forward.best(mean, other), backward.best(other, mean)
    candidates = [(float(s), i, int(j)) for i, (j, s) in enumerate(zip(*there, strict=True))]
    candidates += [(float(s), int(i), j) for j, (i, s) in enumerate(zip(*back, strict=True))]
    taken: list[tuple[int, int]] = []
    for _, i, j in sorted(candidates, key=lambda candidate: -candidate[0]):
        if all(i != source and j != target for source, target in taken):
            taken.append((i, j))
    assert listed(mine(forward, backward)) == taken


@pytest.mark.parametrize(
    ("right", "num_gold", "expected"),
    [
        # F1 by number of pairs taken, with 2 in the gold: 2/3, 1/2, 4/5, 2/3.
        ([True, False, True, False], 2, (0.5 + 0.3) / 2),
        # The first of two equal F1 (2/3 and 2/3).
        ([True, False, False, True], 2, (0.9 + 0.7) / 2),
        # No pair follows the last.
        ([False, False, False, True], 1, 0.3),
        ([False, False, False, False], 1, 0.0),
    ],
)
def test_the_threshold_is_midway_after_the_best_f1(right: list[bool], num_gold: int, expected: float) -> None:
    found = best_threshold(np.array([0.9, 0.7, 0.5, 0.3]), np.array(right), num_gold)
    assert found == pytest.approx(expected)
