"""F1 of chunks and entities: hand-made cases, and the definitions in plain loops on random tags."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts_hpc.metrics.base import f1_parts
from xstilts_hpc.metrics.chunks import CHUNK_F1
from xstilts_hpc.metrics.entities import ENTITY_F1
from xstilts_hpc.metrics.tags import Tags

Segment = tuple[str, int, int]
UPOS = ("NOUN", "VERB", "SCONJ", "SYM", "CCONJ", "X")
BIO = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


def chunks(tags: Sequence[str]) -> Iterator[Segment]:
    """Yield runs of equal tags; a tag that begins with S is alone."""
    start = 0
    for i in range(1, len(tags) + 1):
        if i == len(tags) or tags[i] != tags[start] or tags[i].startswith("S"):
            yield tags[start], start, i - 1
            start = i


def entities(tags: Sequence[str]) -> Iterator[Segment]:
    """Yield entities: from B-*, or from I-* when none of that type is open."""
    kind, start = "", 0
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        if kind and (prefix != "I" or name != kind):
            yield kind, start, i - 1
            kind = ""
        if prefix in ("B", "I") and not kind:
            kind, start = name, i


def f1_of_sets(
    find: Callable[[Sequence[str]], Iterator[Segment]], predicted: list[list[str]], gold: list[list[str]]
) -> dict[str, float]:
    """Count segments with sets, sentence by sentence."""
    pairs = [(set(find(p)), set(find(g))) for p, g in zip(predicted, gold, strict=True)]
    sums = [sum(map(len, counted)) for counted in ([p & g for p, g in pairs], *zip(*pairs, strict=True))]
    return {name: float(value) for name, value in f1_parts(np.array(sums, dtype=np.float64)).items()}


def tagged(names: Sequence[str]) -> st.SearchStrategy[list[list[tuple[str, str]]]]:
    """Give sentences of (predicted, gold) tags; some are empty."""
    pair = st.tuples(st.sampled_from(names), st.sampled_from(names))
    return st.lists(st.lists(pair, max_size=6), min_size=1, max_size=5)


def test_a_chunk_is_a_run_of_one_tag_and_counts_only_as_a_whole() -> None:
    # PROTOCOL.md B.4's example: two of three words are right, no chunk is.
    scores = CHUNK_F1.compute([["NOUN", "VERB", "VERB"]], [["NOUN", "NOUN", "VERB"]], "en")
    assert scores == {"f1": 0.0, "precision": 0.0, "recall": 0.0, "word_accuracy": pytest.approx(2 / 3)}


def test_tags_that_begin_with_s_are_chunks_of_one_word() -> None:
    # Gold: SYM, SYM, SCONJ; predicted: SYM, NOUN, SCONJ. As one run of SYM, only SCONJ would agree.
    scores = CHUNK_F1.compute([["SYM", "NOUN", "SCONJ"]], [["SYM", "SYM", "SCONJ"]], "en")
    assert scores["f1"] == pytest.approx(2 / 3)


def test_no_chunk_crosses_the_end_of_a_sentence() -> None:
    scores = CHUNK_F1.compute([["NOUN"], ["VERB"]], [["NOUN"], ["NOUN"]], "en")
    assert (scores["f1"], scores["precision"], scores["recall"]) == (0.5, 0.5, 0.5)


def test_entity_f1_counts_whole_entities_only() -> None:
    gold, predicted = [["B-PER", "I-PER", "O", "B-LOC"]], [["B-PER", "O", "O", "B-LOC"]]
    assert ENTITY_F1.compute(predicted, gold, "en") == {"f1": 0.5, "precision": 0.5, "recall": 0.5}


def test_an_entity_may_start_with_i_and_ends_where_the_type_changes() -> None:
    gold = [["I-PER", "I-PER", "B-PER", "O", "B-LOC", "I-ORG"]]
    predicted = [["B-PER", "I-PER", "B-PER", "O", "I-LOC", "B-ORG"]]
    assert ENTITY_F1.compute(predicted, gold, "en") == {"f1": 1.0, "precision": 1.0, "recall": 1.0}
    # PER PER PER is one entity fewer, and O in the place of ORG another.
    fewer = [["B-PER", "I-PER", "I-PER", "O", "B-LOC", "O"]]
    assert ENTITY_F1.compute(fewer, gold, "en") == {"f1": pytest.approx(1 / 3), "precision": 0.5, "recall": 0.25}


def test_sentences_of_other_lengths_are_an_error() -> None:
    with pytest.raises(ValueError, match="differ in their sentences or in the words of one"):
        ENTITY_F1.compute([["O", "O"], ["O"]], [["O"], ["O", "O"]], "en")


def test_a_set_without_words_scores_zero() -> None:
    assert set(CHUNK_F1.compute([[]], [[]], "en").values()) == {0.0}


def test_an_unknown_tag_is_always_wrong() -> None:
    gold = Tags(("NOUN", "VERB"), np.array([0, -1, -1, 1]), np.array([0, 4]))
    predicted = Tags(("NOUN", "VERB"), np.array([0, 1, 1, 1]), np.array([0, 4]))
    # Chunks: NOUN ? VERB against NOUN VERB; only NOUN agrees, and the words NOUN and the last VERB.
    expected = {"precision": 0.5, "recall": pytest.approx(1 / 3), "f1": pytest.approx(0.4), "word_accuracy": 0.5}
    assert CHUNK_F1.compute(predicted, gold, "en") == expected
    assert list(gold) == [["NOUN", "", "", "VERB"]]


@given(tagged(UPOS))
def test_chunks_on_flat_arrays_are_those_of_the_definition(sentences: list[list[tuple[str, str]]]) -> None:
    predicted, gold = ([[pair[side] for pair in sentence] for sentence in sentences] for side in (0, 1))
    scores = CHUNK_F1.compute(predicted, gold, "en")
    assert {name: scores[name] for name in ("f1", "precision", "recall")} == f1_of_sets(chunks, predicted, gold)


@given(tagged(BIO))
def test_entities_on_flat_arrays_are_those_of_the_definition(sentences: list[list[tuple[str, str]]]) -> None:
    predicted, gold = ([[pair[side] for pair in sentence] for sentence in sentences] for side in (0, 1))
    assert ENTITY_F1.compute(predicted, gold, "en") == f1_of_sets(entities, predicted, gold)
