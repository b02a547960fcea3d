"""XTREME's official layout: texts written out by hand, and the official scorer's own example."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xstilts_hpc.errors import DataError, LogitsError
from xstilts_hpc.logits import Logits, RetrievalLogits, SequenceLogits, SpanLogits, TokenLogits
from xstilts_hpc.results.xtreme_layout import ALL_TASKS, GROUPS, XtremeScores, file_of, score_folders, write_language
from xstilts_hpc.tasks import task_of, tasks_with
from xstilts_hpc.tasks.base import Role

BUCC = "bucc2018"


def written(folder: Path, task: str, language: str, logits: Logits) -> tuple[str, str]:
    """Write one language; return the texts of predictions and labels."""
    both = folder / "predictions", folder / "labels"
    write_language(both, task_of(task), language, logits)
    predicted, labels = (file_of(side, task_of(task), language).read_text("utf-8") for side in both)
    return predicted, labels


def write(folder: Path, name: str, predicted: str, labels: str) -> tuple[Path, Path]:
    """Write the files of one language by hand; return the two folders."""
    both = folder / "predictions", folder / "labels"
    for side, text in zip(both, (predicted, labels), strict=True):
        (side / name).parent.mkdir(parents=True, exist_ok=True)
        (side / name).write_text(text, "utf-8")
    return both


def numbers(report: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield every number of a report with its path."""
    for name, value in report.items():
        if isinstance(value, dict):
            yield from ((f"{name}/{path}", number) for path, number in numbers(value))
        else:
            yield name, value


def retrieval(gold: list[tuple[int, int]], similarity: list[list[float]]) -> RetrievalLogits:
    """Give pools of de and en sentences with their similarity[english, foreign]; two neighbours are kept."""
    cosine = np.array(similarity, dtype=np.float32)
    english, foreign = cosine.shape
    near, near_back = np.argsort(-cosine, axis=1)[:, :2], np.argsort(-cosine.T, axis=1)[:, :2]
    return RetrievalLogits(
        example_id=tuple(f"en-{i}" for i in range(english)),
        candidate_id=tuple(f"de-{i}" for i in range(foreign)),
        query=np.arange(english),
        candidate=np.arange(foreign),
        query_count=np.ones(english, dtype=np.int64),
        candidate_count=np.ones(foreign, dtype=np.int64),
        scores=np.take_along_axis(cosine, near, axis=1),
        neighbours=near,
        reverse_scores=np.take_along_axis(cosine.T, near_back, axis=1),
        reverse_neighbours=near_back,
        gold=np.array(gold),
    )


def test_the_groups_hold_every_target_task_once() -> None:
    assert sorted(ALL_TASKS) == sorted(task.name for task in tasks_with(Role.TARGET))
    assert list(GROUPS) == ["classification", "tagging", "qa", "retrieval"]


@pytest.mark.shared
def test_every_number_of_the_official_example_agrees(shared: Path) -> None:
    mock = shared / "xtreme_mock"
    expected = dict(numbers(json.loads((mock / "expected_scores.json").read_text("utf-8"))))
    found = dict(numbers(score_folders((mock / "predictions", mock / "labels")).official()))
    assert {path: found[path] for path in expected} == pytest.approx(expected, abs=1e-9)
    assert len(expected) == 375
    assert found["all_task"] == pytest.approx(62.17319850507246, abs=1e-9)


def test_labels_stand_one_to_a_line(tmp_path: Path) -> None:
    logits = SequenceLogits(("a", "b"), np.array([[9, 0, 0], [0, 0, 9]], dtype=np.float32), np.array([0, 1]))
    assert written(tmp_path, "xnli", "de", logits) == ("contradiction\nneutral\n", "contradiction\nentailment\n")


def test_paraphrases_are_0_and_1(tmp_path: Path) -> None:
    logits = SequenceLogits(("a", "b"), np.array([[9, 0], [9, 0]], dtype=np.float32), np.array([0, 1]))
    assert written(tmp_path, "pawsx", "de", logits) == ("0\n0\n", "0\n1\n")


def test_a_blank_line_ends_every_sentence(tmp_path: Path) -> None:
    best = np.eye(7, dtype=np.float32)[[2, 5, 6]]
    logits = TokenLogits(("s", "t"), best, np.array([0, 2, 3]), np.array([2, 5, 0]))
    assert written(tmp_path, "panx", "de", logits) == ("B-PER\nI-PER\n\nO\n\n", "B-PER\nI-PER\n\nB-LOC\n\n")


def test_answers_are_json_by_id_and_labels_are_squad_json(tmp_path: Path, span: SpanLogits) -> None:
    predicted, labels = map(json.loads, written(tmp_path, "xquad", "de", span))
    assert predicted == {"q": "red"}
    answers = [{"text": "red house", "answer_start": 2}]
    paragraph = {"context": "a red house", "qas": [{"id": "q", "question": "", "answers": answers}]}
    assert labels["data"] == [{"title": "", "paragraphs": [paragraph]}]


def test_questions_with_one_id_are_refused(tmp_path: Path, span: SpanLogits) -> None:
    twice = SpanLogits(
        **{
            **vars(span),
            "example_id": ("q", "q"),
            "example_context": np.array([0, 0]),
            "answers": span.answers * 2 if span.answers else None,
        }
    )
    with pytest.raises(LogitsError, match="some questions have the same id"):
        written(tmp_path, "xquad", "de", twice)


def test_tatoeba_is_the_position_of_the_foreign_sentence(tmp_path: Path) -> None:
    logits = retrieval([(0, 1), (1, 0)], [[0.1, 0.9], [0.2, 0.8]])
    assert written(tmp_path, "tatoeba", "de", logits) == ("1\n1\n", "1\n0\n")


def test_mined_pairs_have_the_foreign_id_first(tmp_path: Path) -> None:
    logits = retrieval([(0, 1), (1, 0)], [[0.1, 0.9], [0.8, 0.2]])
    predicted, labels = written(tmp_path, BUCC, "de", logits)
    assert sorted(predicted.splitlines()) == ["de-0\ten-1", "de-1\ten-0"]
    assert labels == "de-1\ten-0\nde-0\ten-1\n"


@pytest.mark.parametrize(
    ("task", "predicted", "labels", "expected"),
    [
        # The last sentence may lack its blank line, and lines may end in CR LF.
        ("panx", "B-PER\r\n\r\nO", "B-PER\n\nO\n\n", {"f1": 1.0, "precision": 1.0, "recall": 1.0}),
        # A pair that is predicted twice counts once: precision 1/2, recall 1.
        (BUCC, "a\tb\na\tb\nc\td\n", "a\tb\n", {"f1": 2 / 3, "precision": 0.5, "recall": 1.0}),
        (BUCC, "", "a\tb\n", {"f1": 0.0, "precision": 0.0, "recall": 0.0}),
        ("tatoeba", "3\n1\n", "3\n2\n", {"accuracy": 0.5}),
    ],
)
def test_official_files_are_read_leniently_where_the_script_does(
    tmp_path: Path, task: str, predicted: str, labels: str, expected: dict[str, float]
) -> None:
    for code in task_of(task).languages:
        both = write(tmp_path, f"{task}/test-{code}.tsv", predicted, labels)
    assert score_folders(both).averages(task) == pytest.approx(expected)


def test_a_question_without_prediction_scores_0(tmp_path: Path) -> None:
    questions = [{"id": name, "answers": [{"text": "red"}]} for name in ("p", "q")]
    labels = json.dumps({"data": [{"paragraphs": [{"context": "red", "qas": questions}]}]})
    for code in task_of("xquad").languages:
        both = write(tmp_path, f"xquad/test-{code}.json", '{"p": "Red."}', labels)
    assert score_folders(both).averages("xquad") == {"exact_match": 0.5, "f1": 0.5}


def test_a_missing_language_is_one_clear_error(tmp_path: Path) -> None:
    both = write(tmp_path, "pawsx/test-de.tsv", "0\n", "0\n")
    with pytest.raises(DataError, match=r"pawsx/test-en.tsv: no such file; PAWS-X is scored in de en es fr ja ko zh"):
        score_folders(both)


@pytest.mark.parametrize(
    ("task", "predicted", "labels", "message"),
    [
        ("xnli", "neutral\n", "neutral\nneutral\n", "1 lines of predictions, 2 of labels"),
        ("panx", "O\n\nO\n", "O\n", "2 sentences of predictions, 1 of labels"),
        ("panx", "O\nO\n", "O\n", "differ in their sentences or in the words of one"),
        ("xquad", "{", "{}", "does not fit .*test-ar.json: Expecting property name"),
    ],
)
def test_files_that_do_not_belong_together_are_named(
    tmp_path: Path, task: str, predicted: str, labels: str, message: str
) -> None:
    suffix = "json" if task == "xquad" else "tsv"
    both = write(tmp_path, f"{task}/test-{task_of(task).languages[0]}.{suffix}", predicted, labels)
    with pytest.raises(DataError, match=message):
        score_folders(both)


def test_folders_without_a_common_task_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no task has a folder both in .*; expected pawsx, xnli, udpos"):
        score_folders((tmp_path, tmp_path))


def test_averages_are_over_languages_then_tasks_and_questions_mean_both_parts() -> None:
    accuracy = {"accuracy": {"de": 0.5, "en": 1.0}}
    answers = {"exact_match": {"en": 0.2}, "f1": {"en": 0.6}}
    scores = XtremeScores({"pawsx": accuracy, "xnli": {"accuracy": {"de": 0.25}}, "xquad": answers})
    assert scores.tasks() == pytest.approx({"pawsx": 0.75, "xnli": 0.25, "xquad": 0.4})
    assert scores.groups() == pytest.approx({"classification": 0.5})
    assert dict(numbers(scores.official())) == pytest.approx(
        {
            "classification": 50.0,
            "pawsx/accuracy/de": 50.0,
            "pawsx/accuracy/en": 100.0,
            "pawsx/avg_accuracy": 75.0,
            "pawsx/avg_metric": 75.0,
            "xnli/accuracy/de": 25.0,
            "xnli/avg_accuracy": 25.0,
            "xnli/avg_metric": 25.0,
            "xquad/exact_match/en": 20.0,
            "xquad/f1/en": 60.0,
            "xquad/avg_exact_match": 20.0,
            "xquad/avg_f1": 60.0,
            "xquad/avg_metric": 40.0,
        }
    )


def test_the_mean_over_all_tasks_needs_all_nine() -> None:
    one = {"accuracy": {"en": 0.5}, "f1": {"en": 0.5}, "exact_match": {"en": 0.5}}
    assert XtremeScores(dict.fromkeys(ALL_TASKS, one)).groups()["all_task"] == 0.5
    assert "all_task" not in XtremeScores(dict.fromkeys(ALL_TASKS[1:], one)).groups()
