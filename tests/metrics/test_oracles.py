"""Every line of the oracles: what XTREME's official code gives for the same predictions."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from xstilts_hpc.logits import RetrievalLogits
from xstilts_hpc.metrics.base import Metric
from xstilts_hpc.metrics.bitext import BITEXT_F1, best_threshold
from xstilts_hpc.metrics.chunks import CHUNK_F1
from xstilts_hpc.metrics.entities import ENTITY_F1
from xstilts_hpc.metrics.mlqa import MLQA_EM_F1
from xstilts_hpc.metrics.squad import SQUAD
from xstilts_hpc.scoring import predictions, score
from xstilts_hpc.scoring.pairs import mined, threshold
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.train.neighbours import mutual_neighbours

pytestmark = pytest.mark.shared
NEIGHBOURS = 4


def oracle(shared: Path, name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(shared / "oracle" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


@pytest.mark.parametrize(("name", "metric", "lines"), [("panx", ENTITY_F1, 88), ("udpos", CHUNK_F1, 48)])
def test_tagging_agrees_with_the_official_scorer(shared: Path, name: str, metric: Metric, lines: int) -> None:
    found = list(oracle(shared, name))
    assert len(found) == lines
    for line in found:
        scores = metric.compute(line["predictions"], line["gold"], line["language"])
        for part in ("f1", "precision", "recall"):
            assert 100 * scores[part] == pytest.approx(line["scores"][part], abs=1e-9)


@pytest.mark.parametrize(
    ("name", "metric", "lines"), [("xquad", SQUAD, 8), ("tydiqa", SQUAD, 6), ("mlqa", MLQA_EM_F1, 4)]
)
def test_answers_agree_with_the_official_scorer(shared: Path, name: str, metric: Metric, lines: int) -> None:
    found = list(oracle(shared, name))
    assert len(found) == lines
    for line in found:
        predictions = [line["predictions"].get(question) for question in line["gold"]]
        scores = metric.compute(predictions, list(line["gold"].values()), line["language"])
        for part in ("f1", "exact_match"):
            assert 100 * scores[part] == pytest.approx(line["scores"][part], abs=1e-9)


def unified(texts: list[str], vectors: list[list[float]]) -> tuple[Any, Any, Any]:
    """Return of each distinct text its first index, its count and its vector: of several the last, as LASER does."""
    vector_of = dict(zip(texts, vectors, strict=True))
    counts = Counter(texts)
    rows = np.array([vector_of[text] for text in counts], dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.array([texts.index(text) for text in counts]), np.array(list(counts.values())), rows


def nearest(cosine: Any) -> tuple[Any, Any]:
    index = np.argsort(-cosine, axis=1, kind="stable")[:, :NEIGHBOURS]
    return np.take_along_axis(cosine, index, 1), index


def mining_logits(line: dict[str, Any]) -> RetrievalLogits:
    """Return the neighbours of a line's sentences: its source is foreign, its target English."""
    foreign, foreign_count, x = unified(line["source"], line["x"])
    english, english_count, y = unified(line["target"], line["y"])
    numbers = [(int(b.removeprefix("en-")), int(a.removeprefix("xx-"))) for a, b in line["gold"]]
    return RetrievalLogits(
        tuple(f"en-{i}" for i in range(len(line["target"]))),
        tuple(f"xx-{i}" for i in range(len(line["source"]))),
        *(english, foreign, english_count, foreign_count),
        *(*nearest(y @ x.T), *nearest(x @ y.T)),
        gold=np.array(numbers),
    )


def test_every_mined_pair_and_its_margin_agree_with_the_official_code(shared: Path) -> None:
    lines = list(oracle(shared, "bucc2018"))
    assert len(lines) == 6
    for line in lines:
        logits = mining_logits(line)
        # The oracle lists the pairs of repeated sentences too: they are mined, and dropped when pairs get their ids.
        once = {name: np.ones_like(getattr(logits, name)) for name in ("query_count", "candidate_count")}
        found = mined(replace(logits, **once))
        triples = zip(found.source.tolist(), found.target.tolist(), found.score.tolist(), strict=True)
        scores = {(line["source"][i], line["target"][j]): score for i, j, score in triples}
        assert scores == {(s, t): pytest.approx(score, abs=1e-6) for s, t, score in line["mined"]}
        assert list(scores) == [(s, t) for s, t, _ in line["mined"]]


def test_the_official_threshold_of_pairs_none_of_which_is_gold_is_ours(shared: Path) -> None:
    # The official call got gold pairs as ids (xx-0) and mined pairs as texts (s0), so that no pair was right and the
    # threshold is 0 in every line. There is no oracle of another threshold: the plain scan below checks those.
    for line in oracle(shared, "bucc2018"):
        gold = {(source, target) for source, target in line["gold"]}
        right = np.array([(source, target) in gold for source, target, _ in line["mined"]])
        margins = np.array([margin for _, _, margin in line["mined"]])
        assert best_threshold(margins, right, len(gold)) == line["threshold"]


def test_scores_at_the_official_threshold_agree(shared: Path) -> None:
    for line in oracle(shared, "bucc2018"):
        taken = [(s, t) for s, t, margin in line["mined"] if margin >= line["threshold"]]
        predicted = [(s.replace("s", "xx-"), t.replace("t", "en-")) for s, t in taken]
        scores = BITEXT_F1.compute(predicted, [tuple(pair) for pair in line["gold"]], "de")
        for part in ("f1", "precision", "recall"):
            assert 100 * scores[part] == pytest.approx(line["best"][part], abs=1e-9)


def test_the_nearest_candidates_and_their_accuracy_agree_with_the_official_code(shared: Path) -> None:
    lines = list(oracle(shared, "tatoeba"))
    assert len(lines) == 4
    for line in lines:
        logits = translation_logits(line)
        assert predictions(TASKS["tatoeba"], logits) == line["predictions"]
        scores = score(TASKS["tatoeba"], logits, "de")
        assert 100 * scores["accuracy"] == pytest.approx(line["scores"]["accuracy"], abs=1e-9)


def translation_logits(line: dict[str, Any]) -> RetrievalLogits:
    """Return the neighbours of a line's sentences, as they are searched for in a run: its y are the queries."""
    forward, reverse = mutual_neighbours(torch.tensor(line["y"]), torch.tensor(line["x"]), 1)
    queries, candidates = np.arange(len(line["y"])), np.arange(len(line["x"]))
    return RetrievalLogits(
        *(tuple(f"en-{i}" for i in queries), tuple(f"de-{i}" for i in candidates), queries, candidates),
        *(np.ones_like(queries), np.ones_like(candidates)),
        *(forward.scores, forward.indices, reverse.scores, reverse.indices),
        gold=np.tile(queries[:, None], 2),
    )


def scanned(pairs: list[tuple[str, str, float]], gold: set[tuple[str, str]]) -> tuple[float, float]:
    """Return the best F1 and its threshold, by the rule of PROTOCOL.md B.4 in a plain loop."""
    best, chosen, correct = 0.0, 0.0, 0
    for taken, (source, target, margin) in enumerate(pairs, 1):
        correct += (source, target) in gold
        f1 = 2 * correct / (taken + len(gold))
        if f1 > best:
            best, chosen = f1, (margin + pairs[taken][2]) / 2
    return best, chosen


def test_the_threshold_chosen_on_official_pairs_is_that_of_a_plain_scan(shared: Path) -> None:
    task = replace(TASKS["tatoeba"], mining=True, metric=BITEXT_F1)
    for line in oracle(shared, "bucc2018"):
        gold = {(a.replace("xx-", "s"), b.replace("en-", "t")) for a, b in line["gold"]}
        pairs = [(s, t, x) for s, t, x in line["mined"] if line["source"].count(s) == line["target"].count(t) == 1]
        best, expected = scanned(pairs, gold)
        assert threshold(task, mining_logits(line)) == pytest.approx(expected, abs=1e-6)
        assert score(task, mining_logits(line), "de")["f1"] == pytest.approx(best, abs=1e-9)
