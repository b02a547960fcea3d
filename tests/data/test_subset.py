"""Smaller training sets: nested, stratified, and drawn from a seed."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xstilts_hpc.data.subset import subset, whole_groups

NLI = ["entailment", "neutral", "contradiction"] * 400
SKEWED = ["a"] * 700 + ["b"] * 200 + ["c"] * 90 + ["d"] * 10


def counts(strata: list[str], size: int, seed: int) -> Counter[str]:
    return Counter(strata[i] for i in subset(strata, size, seed))


@pytest.mark.parametrize("strata", [NLI, SKEWED, [""] * 500], ids=["balanced", "skewed", "one"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_smaller_subset_is_contained_in_a_larger_one(strata: list[str], seed: int) -> None:
    sizes = [0, 1, 2, 3, 10, 31, 32, 100, 316, len(strata) - 1, len(strata)]
    chosen = [set(subset(strata, size, seed).tolist()) for size in sizes]
    assert [len(indices) for indices in chosen] == sizes
    assert all(small <= large for small, large in pairwise(chosen))


def test_a_subset_keeps_the_order_of_the_file() -> None:
    chosen = subset(NLI, 100, 0)
    assert chosen.dtype == np.int64
    assert (np.diff(chosen) > 0).all()
    assert subset(NLI, len(NLI), 0).tolist() == list(range(len(NLI)))


def test_the_same_seed_gives_the_same_subset_and_another_seed_another() -> None:
    assert subset(NLI, 100, 7).tolist() == subset(NLI, 100, 7).tolist()
    # Two draws of 100 from 1200 share 8 on average.
    assert len(set(subset(NLI, 100, 7)) & set(subset(NLI, 100, 8))) < 30


@pytest.mark.parametrize("seed", range(10))
def test_strata_keep_their_shares(seed: int) -> None:
    assert counts(NLI, 300, seed) == {"entailment": 100, "neutral": 100, "contradiction": 100}
    assert counts(SKEWED, 100, seed) == {"a": 70, "b": 20, "c": 9, "d": 1}
    assert counts(SKEWED, 500, seed) == {"a": 350, "b": 100, "c": 45, "d": 5}


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=6),
    st.integers(0, 2**31 - 1),
    st.randoms(use_true_random=False),
)
@settings(max_examples=200, deadline=None)
def test_at_every_size_a_stratum_has_its_share_to_one_example(sizes: list[int], seed: int, random: object) -> None:
    strata = [str(code) for code, number in enumerate(sizes) for _ in range(number)]
    random.shuffle(strata)  # type: ignore[attr-defined]
    total = Counter(strata)
    for size in range(len(strata) + 1):
        chosen = counts(strata, size, seed)
        assert sum(chosen.values()) == size
        assert all(abs(chosen[name] - size * total[name] / len(strata)) < 1 for name in total)


def test_every_example_is_chosen_about_as_often() -> None:
    strata = ["a"] * 12 + ["b"] * 8
    drawn = Counter(i for seed in range(2000) for i in subset(strata, 5, seed).tolist())
    # Each of the 20 examples stands in a quarter of the subsets: 500 of 2000, with a standard deviation below 20.
    assert all(abs(drawn[i] - 500) < 100 for i in range(20))


def one_by_one(strata: list[str], size: int, seed: int) -> list[int]:
    """Take a subset example by example, as the rule says it: the slow way."""
    generator = np.random.default_rng([seed, len(strata)])
    names, codes = np.unique(np.asarray(strata), return_inverse=True)
    members = [generator.permutation(np.flatnonzero(codes == code)) for code in generator.permutation(len(names))]
    sizes, taken = [len(indices) for indices in members], [0] * len(members)
    for step in range(1, size + 1):
        below = [i for i, number in enumerate(sizes) if number * step > taken[i] * len(strata)]
        taken[min(below, key=lambda i: -(-(taken[i] + 1) * len(strata) // sizes[i]))] += 1
    chosen = [indices[:number] for indices, number in zip(members, taken, strict=True)]
    return sorted(int(i) for indices in chosen for i in indices)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=12), st.integers(0, 9), st.floats(0, 1))
@settings(max_examples=400, deadline=None)
def test_a_subset_is_the_one_taken_example_by_example(sizes: list[int], seed: int, share: float) -> None:
    strata = [f"{code:02}" for code, number in enumerate(sizes) for _ in range(number)]
    size = round(share * len(strata))
    assert subset(strata, size, seed).tolist() == one_by_one(strata, size, seed)


PARAGRAPHS = [7] * 4 + [-3] * 5 + [12] * 3 + [5] * 6


def test_whole_groups_fit_their_size_are_nested_and_never_cut() -> None:
    of_size = Counter(PARAGRAPHS)
    before: set[int] = set()
    for size in range(1, len(PARAGRAPHS) + 1):
        chosen = whole_groups(PARAGRAPHS, size, 3)
        taken = Counter(PARAGRAPHS[i] for i in chosen)
        assert all(number == of_size[group] for group, number in taken.items())
        assert len(chosen) <= size or len(taken) == 1
        assert before <= set(chosen.tolist())
        before = set(chosen.tolist())
    assert before == set(range(len(PARAGRAPHS)))


def test_whole_groups_follow_the_seed_and_stand_in_the_order_of_the_file() -> None:
    drawn = {seed: tuple(whole_groups(PARAGRAPHS, 6, seed).tolist()) for seed in range(40)}
    assert drawn == {seed: tuple(whole_groups(PARAGRAPHS, 6, seed).tolist()) for seed in range(40)}
    # A paragraph of six is alone; of the others no two fit together, and the one after the first never does.
    assert set(drawn.values()) == {(0, 1, 2, 3), (4, 5, 6, 7, 8), (9, 10, 11), (12, 13, 14, 15, 16, 17)}
