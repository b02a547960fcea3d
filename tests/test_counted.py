"""What examples add to scores: it sums to the score, and examples that belong together stay together."""

import numpy as np
import pytest

from xstilts_hpc.logits import RetrievalLogits, SequenceLogits, SpanLogits, TokenLogits
from xstilts_hpc.scoring import score
from xstilts_hpc.scoring.counted import Counted, counted, groups_across, parts_of
from xstilts_hpc.scoring.draws import Draws, draws_of
from xstilts_hpc.tasks import task_of


def a_sequence() -> SequenceLogits:
    random = np.random.default_rng(0)
    ids = tuple(map(str, range(20)))
    return SequenceLogits(ids, random.normal(size=(20, 3)).astype(np.float32), random.integers(0, 3, 20))


def sentences() -> TokenLogits:
    """Return six sentences, one of them without a word."""
    random, first = np.random.default_rng(1), np.array([0, 3, 3, 8, 9, 15, 20])
    labels = len(task_of("panx").labels)
    logits = random.normal(size=(20, labels)).astype(np.float32)
    return TokenLogits(tuple("abcdef"), logits, first, random.integers(0, labels, 20))


def questions() -> SpanLogits:
    """Return three questions, two of them on the first paragraph."""
    starts = np.array([9, 0, 0, 0, 9, 0, 0, 0, 9], dtype=np.float32)
    return SpanLogits(
        example_id=("q1", "q2", "q3"),
        start_logits=starts,
        end_logits=starts,
        first_token=np.array([0, 3, 6, 9]),
        offsets=np.array([[0, 1], [2, 3], [4, 5]] * 3),
        max_context=np.ones(9, np.int64),
        null_logits=np.zeros((3, 2), np.float32),
        feature_example=np.arange(3),
        example_context=np.array([0, 0, 1]),
        contexts=("b c d", "x y z"),
        answers=('[{"text": "b", "start": 0}]', '[{"text": "b", "start": 0}]', '[{"text": "z y", "start": 2}]'),
    )


@pytest.mark.parametrize(
    ("task", "logits"), [("xnli", a_sequence()), ("panx", sentences()), ("udpos", sentences()), ("xquad", questions())]
)
def test_the_counts_of_examples_sum_to_the_score(task: str, logits: SequenceLogits) -> None:
    if task == "udpos":
        wide = np.zeros((20, len(task_of("udpos").labels)), np.float32)
        wide[:, : logits.logits.shape[1]] = logits.logits
        logits = TokenLogits(logits.example_id, wide, sentences().first_word, logits.gold)  # type: ignore[assignment]
    found = counted(task_of(task), logits, "de")
    assert found is not None and len(found.item) == len(found.counts) == len(logits.example_id)
    parts = parts_of(task_of(task), found.counts.sum(axis=0))
    assert {name: float(value) for name, value in parts.items()} == pytest.approx(score(task_of(task), logits, "de"))


def test_questions_on_one_paragraph_are_a_group() -> None:
    found = counted(task_of("xquad"), questions(), "de")
    assert found is not None and found.group.tolist() == [0, 0, 1]
    assert found.counts[:, 0].tolist() == [1.0, 0.0, 0.0]


def test_mined_pairs_count_by_their_foreign_sentence() -> None:
    cosine = np.array([[0.9, 0.1], [0.8, 0.2]], dtype=np.float32)
    logits = RetrievalLogits(
        example_id=("en-1", "en-2"),
        candidate_id=("de-1", "de-2"),
        query=np.arange(2),
        candidate=np.arange(2),
        query_count=np.ones(2, np.int64),
        candidate_count=np.ones(2, np.int64),
        scores=cosine,
        neighbours=np.array([[0, 1], [1, 0]]),
        reverse_scores=cosine,
        reverse_neighbours=np.array([[0, 1], [1, 0]]),
        gold=np.array([[0, 0]]),
    )
    task = task_of("bucc2018")
    found = counted(task, logits, "de")
    assert found is not None and found.item == ("de-1",)  # the wrong pair counts there as well
    parts = parts_of(task, found.counts.sum(axis=0))
    assert {name: float(value) for name, value in parts.items()} == pytest.approx(score(task, logits, "de"))


def test_a_metric_that_chooses_a_threshold_has_no_counts() -> None:
    assert counted(task_of("squad_v2"), questions(), "en") is None


def test_an_example_is_one_group_in_all_languages_of_a_parallel_test_set() -> None:
    counts = np.zeros((3, 1))
    languages = {
        "en": Counted(("q1", "q2", "q3"), np.array([0, 0, 1]), counts),
        "de": Counted(("q2", "q3", "q4"), np.array([0, 1, 2]), counts),
        "sw": Counted(("q4", "q5", "q1"), np.array([7, 7, 3]), counts),
    }
    found = groups_across(languages)
    assert found["en"][0] == found["en"][1] == found["de"][0] == found["sw"][2]
    assert found["en"][2] == found["de"][1] and found["de"][2] == found["sw"][0] == found["sw"][1]
    assert len(np.unique(np.concatenate(list(found.values())))) == 3


def draws_without(missing: str) -> Draws:
    """Return the draws of XNLI with one example more in German, one language missing."""
    items = {"en": ("a", "b"), "sw": ("a", "b"), "de": ("a", "b", "c")}
    every = {code: Counted(ids, np.arange(len(ids)), np.eye(len(ids), 2)) for code, ids in items.items()}
    return draws_of(task_of("xnli"), {code: one for code, one in every.items() if code != missing})


def test_a_missing_language_leaves_the_draws_of_others_the_same() -> None:
    whole, without = draws_without(""), draws_without("sw")
    assert without.languages == ("en", "de") and without.test_sets == whole.test_sets[::2]
    assert np.array_equal(without.headline, whole.headline[:, ::2])


def test_where_a_missing_language_changes_what_is_drawn_the_test_sets_are_others() -> None:
    whole, without = draws_without(""), draws_without("de")  # of three examples two are left to be drawn
    assert not {*whole.test_sets} & {*without.test_sets}
