"""Metrics against hand-made cases and the official scorer's answers."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from xstilts_hpc.metrics.accuracy import ACCURACY
from xstilts_hpc.metrics.entities import ENTITY_F1, entities
from xstilts_hpc.metrics.squad import SQUAD, normalise


def oracle(shared: Path, name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(shared / "oracle" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def test_accuracy_is_the_share_of_equal_pairs() -> None:
    assert ACCURACY.compute(["a", "b", "c", "c"], ["a", "b", "c", "a"]) == {"accuracy": 0.75}


def test_an_entity_may_start_with_i_and_ends_where_the_type_changes() -> None:
    assert list(entities(["I-PER", "I-PER", "B-PER", "O", "B-LOC", "I-ORG"])) == [
        ("PER", 0, 1),
        ("PER", 2, 2),
        ("LOC", 4, 4),
        ("ORG", 5, 5),
    ]


def test_entity_f1_counts_whole_entities_only() -> None:
    gold, predicted = [["B-PER", "I-PER", "O", "B-LOC"]], [["B-PER", "O", "O", "B-LOC"]]
    assert ENTITY_F1.compute(predicted, gold) == {"f1": 0.5, "precision": 0.5, "recall": 0.5}


def test_squad_normalises_case_punctuation_and_english_articles() -> None:
    assert normalise("The  Cat, an animal!") == "cat animal"


def test_squad_takes_the_best_of_several_answers() -> None:
    scores = SQUAD.compute(["the red cat"], [["dog", "red cat", "cat"]])
    assert scores == {"exact_match": 1.0, "f1": 1.0}
    assert SQUAD.headline({"exact_match": 0.5, "f1": 0.7}) == pytest.approx(0.6)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["xquad", "tydiqa"])
def test_squad_agrees_with_the_official_scorer(shared: Path, name: str) -> None:
    lines = list(oracle(shared, name))
    assert lines
    for line in lines:
        golds = line["gold"]
        predictions = [line["predictions"].get(question) for question in golds]
        scores = SQUAD.compute(predictions, list(golds.values()))
        assert 100 * scores["f1"] == pytest.approx(line["scores"]["f1"], abs=1e-9)
        assert 100 * scores["exact_match"] == pytest.approx(line["scores"]["exact_match"], abs=1e-9)


@pytest.mark.shared
def test_entity_f1_agrees_with_the_official_scorer(shared: Path) -> None:
    lines = list(oracle(shared, "panx"))
    assert lines
    for line in lines:
        scores = ENTITY_F1.compute(line["predictions"], line["gold"])
        for part in ("f1", "precision", "recall"):
            assert 100 * scores[part] == pytest.approx(line["scores"][part], abs=1e-9)
