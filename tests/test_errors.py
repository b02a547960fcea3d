"""Hints in error messages."""

from xstilts_hpc.errors import nearest


def test_the_nearest_word_is_named() -> None:
    assert nearest("sqaud", ["squad", "mnli"]) == "did you mean 'squad'?"


def test_a_word_like_none_lists_the_valid_ones_but_not_thousands() -> None:
    assert nearest("zzz", ["b", "a"]) == "valid: a, b"
    assert nearest("zzz", [f"run{i:04}" for i in range(1000)]).endswith("run0059 and 940 more")
