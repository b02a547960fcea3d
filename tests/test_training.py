"""What a training is trained on: names, variants, and how updates are shared out."""

import pytest

from xstilts_hpc.recipe import Recipe
from xstilts_hpc.training import (
    Part,
    Sampling,
    Training,
    order_of_parts,
    plain_variant,
    short_variant,
    training_on,
    updates_of_parts,
)

NLI, QA, TEXT = Part("mnli", "d1"), Part("squad_v1", "d2"), Part("mlm", "d3", 0, ("de", "sw"))


def training(*parts: Part, exponent: float = 1.0, cap: int = 0, mlm: float = 0.0) -> Training:
    return Training(parts, 0, 0, Sampling(exponent, cap), mlm)


@pytest.mark.parametrize(
    ("made", "name", "variant"),
    [
        (training_on("mnli", "d"), "mnli_full_s0", ""),
        (training_on("mnli", "d", size=100, data_seed=3, train_seed=1), "mnli_100_d3_s1", ""),
        (training(NLI, QA), "mixture2_full_s0", "mnli+squad_v1"),
        (training(NLI, QA, exponent=0.0), "mixture2_full_s0", "mnli+squad_v1, uniform"),
        (training(NLI, QA, exponent=0.5, cap=9), "mixture2_full_s0", "mnli+squad_v1, temperature 2 cap 9"),
        (training(NLI, TEXT, mlm=0.5), "mnli_mlm_full_s0", "MLM 0.5 in de sw"),
        (training(Part("mnli", "d", 0, ("de", "sw"))), "mnli_de-sw_full_s0", "translated de sw"),
        (training(Part("mnli", "d", 0, tuple("abcde"))), "mnli_5-languages_full_s0", "translated a b c d e"),
    ],
)
def test_a_training_says_what_tells_it_from_others(made: Training, name: str, variant: str) -> None:
    assert (made.name, made.variant) == (name, variant)


def test_proportional_sampling_gives_each_task_its_own_epochs() -> None:
    # 3 epochs of 320 and 96 features in batches of 32: 30 and 9 updates.
    assert updates_of_parts(training(NLI, QA), [320, 96], Recipe()) == [30, 9]


def test_uniform_sampling_shares_the_same_number_of_updates_equally() -> None:
    assert updates_of_parts(training(NLI, QA, exponent=0.0), [320, 96], Recipe()) == [20, 19]


def test_temperature_flattens_and_a_cap_limits_the_weight() -> None:
    # Of 39 updates: weights 10 and 5 (square roots of 100 and 25), then 50 and 25 under the cap.
    features, recipe = [100, 25], Recipe(steps=39)
    assert updates_of_parts(training(NLI, QA, exponent=0.5), features, recipe) == [26, 13]
    assert updates_of_parts(training(NLI, QA, cap=50), features, recipe) == [26, 13]


def test_masked_text_is_a_share_of_all_updates_and_takes_none_from_the_task() -> None:
    assert updates_of_parts(training(NLI, TEXT, mlm=0.25), [320, 7], Recipe()) == [30, 10]
    assert updates_of_parts(training(NLI, QA, TEXT, mlm=0.5), [320, 96, 7], Recipe()) == [30, 9, 39]


def test_one_task_has_the_updates_of_its_recipe() -> None:
    for recipe in (Recipe(), Recipe(steps=7), Recipe(min_steps=50), Recipe(epochs=0.3)):
        assert updates_of_parts(training(NLI), [320], recipe) == [recipe.num_steps(320)]


def test_the_order_of_parts_is_mixed_and_depends_on_the_seed_alone() -> None:
    order = order_of_parts([30, 10], seed=1)
    assert (order.count(0), order.count(1)) == (30, 10)
    assert order == order_of_parts([30, 10], seed=1) != order_of_parts([30, 10], seed=2)
    assert 1 in order[:20] and 0 in order[20:]
    assert order_of_parts([3], seed=1) == [0, 0, 0]


@pytest.mark.parametrize(
    ("variant", "short"),
    [
        ("", ""),
        ("a+b+c+d", "a+b+c+d"),
        ("a+b+c+d+e, uniform, MLM 0.5 in de sw", "5 tasks, uniform, MLM 0.5 in de sw"),
        ("a+b+c+d+e, temperature 2 cap 9", "5 tasks, temperature 2 cap 9"),
        ("MLM 0.5 in de es fr it nl", "MLM 0.5 in 5 languages"),
        ("translated de es fr it nl, MLM 0.1 in de", "translated 5 languages, MLM 0.1 in de"),
        ("translated de es", "translated de es"),
    ],
)
def test_a_long_variant_counts_what_a_short_one_names(variant: str, short: str) -> None:
    assert short_variant(variant) == short


@pytest.mark.parametrize(
    ("variant", "plain"),
    [
        ("", ""),
        ("MLM 0.5 in de sw", ""),
        ("translated de sw, whole paragraphs, MLM 0.5 in de sw", "whole paragraphs"),
        ("mnli+squad_v1, uniform, MLM 0.5 in de", "mnli+squad_v1, uniform"),
    ],
)
def test_a_plain_variant_is_of_english_alone(variant: str, plain: str) -> None:
    assert plain_variant(variant) == plain


def test_different_texts_are_different_variants_however_many_languages() -> None:
    texts = (Part("mlm", "d", 0, tuple("abcde")), Part("mlm", "d", 0, tuple("fghij")))
    first, second = (training(NLI, text, mlm=0.5).variant for text in texts)
    assert first == "MLM 0.5 in a b c d e" != second
