"""Exported grids: what is written, what is said to be missing, and that the official script finds the same scores."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from xstilts_hpc.cli import app
from xstilts_hpc.errors import GridError, IncompleteError
from xstilts_hpc.logits import Floats, Logits, RetrievalLogits, SequenceLogits, SpanLogits, TokenLogits
from xstilts_hpc.results.collect import gather
from xstilts_hpc.results.export import export
from xstilts_hpc.results.means import Means
from xstilts_hpc.results.tables.table import Number, Plain
from xstilts_hpc.results.tables.table import by_language as language_tables
from xstilts_hpc.results.xtreme_layout import ALL_TASKS
from xstilts_hpc.tasks import task_of
from xstilts_hpc.tasks.base import Task

CELLS = 162
CONTEXTS = {
    "ar": "سقط البيت الأحمر، قرب البحر القديم.",
    "de": "Das rote Haus steht an einem alten See.",
    "es": "La casa roja está junto al mar, ¿no?",
    "hi": "लाल घर पुराने समुद्र के पास है।",
    "th": "บ้านสีแดงอยู่ใกล้ทะเล เก่า",
    "vi": "Ngôi nhà đỏ của những người già ở gần biển.",
    "zh": "红色的房子在海边，很旧 (the old one)。",
}


def labels_of(logits: list[int], columns: int) -> Floats:
    return np.eye(columns, dtype=np.float32)[logits]


def sequences(task: Task, number: int) -> SequenceLogits:
    """Give seven answers, of which `number` modulo 8 are right."""
    gold = [i % len(task.labels) for i in range(7)]
    best = [(label + (i >= number % 8)) % len(task.labels) for i, label in enumerate(gold)]
    return SequenceLogits(tuple(map(str, range(7))), labels_of(best, len(task.labels)), np.array(gold))


def tags(task: Task, number: int) -> TokenLogits:
    """Give sentences of five, four and three words, whose tags come in pairs; every fifth is wrong."""
    gold = [(word // 2 + number) % len(task.labels) for word in range(12)]
    best = [(tag + (word % 5 == number % 5)) % len(task.labels) for word, tag in enumerate(gold)]
    return TokenLogits(("a", "b", "c"), labels_of(best, len(task.labels)), np.array([0, 5, 9, 12]), np.array(gold))


def spans(task: Task, language: str, number: int) -> SpanLogits:
    """Give three questions on one context, a token per character; the answers found are too early or too long."""
    context = CONTEXTS.get(language, "The red house, by an (old) sea - is a home.")
    length = len(context)
    found = [(2, 9), (number % 5, 12), (8, 8 + number % 7)]
    start, end = (np.zeros(3 * length, dtype=np.float32) for _ in range(2))
    for question, (first, last) in enumerate(found):
        start[question * length + first] = end[question * length + last] = 9
    answers = [(2, 9), (4, 12), (9, 16)]
    characters = np.arange(length)
    return SpanLogits(
        example_id=tuple(f"{language}-{i}" for i in range(3)),
        start_logits=start,
        end_logits=end,
        first_token=np.arange(4) * length,
        offsets=np.tile(np.stack([characters, characters + 1], axis=1), (3, 1)),
        max_context=np.ones(3 * length, dtype=np.int64),
        null_logits=np.zeros((3, 2), dtype=np.float32),
        feature_example=np.arange(3),
        example_context=np.zeros(3, dtype=np.int64),
        contexts=(context,),
        answers=tuple(json.dumps([{"text": context[a : b + 1], "start": a}]) for a, b in answers),
    )


def retrieval(language: str, number: int, *, dev: RetrievalLogits | None = None) -> RetrievalLogits:
    """Give five sentences a side, each the translation of the next but one, of which some are nearer to another."""
    gold = np.array([(i, (2 * i + 1) % 5) for i in range(5)])
    cosine = np.full((5, 5), 0.2, dtype=np.float32) + np.arange(25, dtype=np.float32).reshape(5, 5) / 200
    cosine[gold[:, 0], gold[:, 1]] += np.float32(0.5)
    wrong = np.arange(number % 6)[:4]
    cosine[wrong, gold[wrong, 1]] -= np.float32(0.6)
    near, back = np.argsort(-cosine, axis=1)[:, :4], np.argsort(-cosine.T, axis=1)[:, :4]
    return RetrievalLogits(
        example_id=tuple(f"en-{i}" for i in range(5)),
        candidate_id=tuple(f"{language}-{i}" for i in range(5)),
        query=np.arange(5),
        candidate=np.arange(5),
        query_count=np.ones(5, dtype=np.int64),
        candidate_count=np.ones(5, dtype=np.int64),
        scores=np.take_along_axis(cosine, near, axis=1),
        neighbours=near,
        reverse_scores=np.take_along_axis(cosine.T, back, axis=1),
        reverse_neighbours=back,
        gold=gold,
        dev=dev,
    )


def logits_of(task: Task, language: str, number: int) -> Logits:
    if task.name in ("xquad", "mlqa", "tydiqa"):
        return spans(task, language, number)
    if task.name in ("udpos", "panx"):
        return tags(task, number)
    if task.name == "bucc2018":
        return retrieval(language, number, dev=retrieval(language, 1))
    return retrieval(language, number) if task.name == "tatoeba" else sequences(task, number)


def nine(builder: Any) -> Any:
    """Add the baseline on all nine targets in all their languages."""
    for target in ALL_TASKS:
        task = task_of(target)
        logits = {code: logits_of(task, code, number) for number, code in enumerate(task.languages)}
        run = builder.run(task.training_set or "mnli", 100 + ALL_TASKS.index(target), {target: logits})
        builder.cell(run, target, seeds=(-1, -1, 0 if task.trains else -1))
    builder.save()
    return builder


def per_cent(frame: pd.DataFrame) -> dict[tuple[str, str, str], float]:
    rows = frame.to_dict("records")
    return {(str(row["target"]), str(row["metric"]), str(row["language"])): 100 * float(row["value"]) for row in rows}


def by_language(report: Mapping[str, Any]) -> dict[tuple[str, str, str], float]:
    """Return the numbers of the official report by task, part and language."""
    return {
        (task, part, code): value
        for task in ALL_TASKS
        for part, values in report[task].items()
        if isinstance(values, dict)
        for code, value in values.items()
    }


def number(cell: Plain) -> float:
    assert isinstance(cell, Number)
    return cell.value


def test_all_nine_tasks_score_the_same_when_read_back(builder: Any, tmp_path: Path) -> None:
    nine(builder)
    (folder,) = export("small", builder.root, tmp_path / "out")
    report = json.loads((folder / "expected_scores.json").read_text("utf-8"))
    found, collected = by_language(report), per_cent(gather(builder.plan(), builder.root).frame)
    assert len({(task, code) for task, _, code in found}) == CELLS
    assert found == pytest.approx(collected, abs=1e-9)
    assert report["all_task"] == pytest.approx(np.mean([report[task]["avg_metric"] for task in ALL_TASKS]))
    # The logits are made so that languages differ: neither everything nor nothing is right.
    assert all(0 < report[task]["avg_metric"] < 100 for task in ALL_TASKS)


def test_tables_by_language_hold_the_parts_of_the_official_report(builder: Any, tmp_path: Path) -> None:
    (folder,) = export("small", nine(builder).root, tmp_path / "out")
    report = json.loads((folder / "expected_scores.json").read_text("utf-8"))
    tables = {table.name: table for table in language_tables(Means(gather(builder.plan(), builder.root)))}
    answers = {"exact match": "exact_match", "F1": "f1"}
    tagged = {"chunk F1": "f1", "word accuracy": "word_accuracy"}
    for target, parts in {"xquad": answers, "mlqa": answers, "tydiqa": answers, "udpos": tagged}.items():
        table, official = tables[f"by_language_{target}"], report[target]
        rows = {row[2]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
        assert list(rows)[-2:] == list(parts)
        for name, part in parts.items():
            shown = {code: number(rows[name][code]) for code in official[part]}
            assert shown == pytest.approx(official[part], abs=1e-9)
            assert number(rows[name]["all"]) == pytest.approx(official[f"avg_{part}"], abs=1e-9)


def test_the_official_script_finds_the_same_scores(builder: Any, tmp_path: Path) -> None:
    checkout = os.environ.get("XSTILTS_XTREME", "")
    if not checkout:
        pytest.skip("XSTILTS_XTREME names no checkout of google-research/xtreme")
    (folder,) = export("small", nine(builder).root, tmp_path / "out")
    python = os.environ.get("XSTILTS_XTREME_PYTHON", sys.executable)
    options = {"prediction_folder": "predictions", "label_folder": "labels", "output_file": "scores.json"}
    arguments = [item for name, value in options.items() for item in (f"--{name}", str(folder / value))]
    subprocess.run([python, "evaluate.py", *arguments], cwd=checkout, check=True, capture_output=True, timeout=300)
    official = json.loads((folder / "scores.json").read_text("utf-8"))
    expected = json.loads((folder / "expected_scores.json").read_text("utf-8"))
    found = by_language(official)
    assert len({(task, code) for task, _, code in found}) == CELLS
    assert found == pytest.approx({key: by_language(expected)[key] for key in found}, abs=1e-9)
    assert official["all_task"] == pytest.approx(expected["all_task"], abs=1e-9)


def test_a_folder_per_training_and_seeds_shares_what_has_no_target_seed(
    builder: Any, sequence: Any, tmp_path: Path
) -> None:
    pools = builder.run("mnli", 9, {"tatoeba": {"de": retrieval("de", 2)}})
    for seed in (0, 1):
        builder.cell(builder.run("mnli", seed, {"xnli": {"en": sequence(4)}}), "xnli", seeds=(-1, -1, seed))
        builder.cell(
            builder.run("mnli", 10 + seed, {"xnli": {"en": sequence(5)}}), "xnli", size=100, seeds=(2, 3, seed)
        )
    builder.cell(pools, "tatoeba", seeds=(-1, -1, -1))
    builder.save()
    written = export("small", builder.root, tmp_path)
    assert {path.name: sorted(task.name for task in (path / "predictions").iterdir()) for path in written} == {
        "none_t0": ["tatoeba", "xnli"],
        "none_t1": ["tatoeba", "xnli"],
        "mnli_100_equal_epochs_d2_s3_t0": ["xnli"],
        "mnli_100_equal_epochs_d2_s3_t1": ["xnli"],
    }


def test_what_is_missing_is_listed_and_the_rest_is_written(small: Any, tmp_path: Path) -> None:
    export("small", small.root, tmp_path)
    stale = tmp_path / "mnli_100_equal_epochs_d0_s0_t1" / "predictions" / "xnli" / "test-sw.tsv"
    assert stale.is_file()
    small.folder(3).done_json.unlink()
    with pytest.raises(IncompleteError, match=r"1 of 4 cells are missing(.|\n)*run not finished") as error:
        export("small", small.root, tmp_path)
    assert error.value.exit_code == 4
    assert not stale.exists()
    assert (
        "missing: en sw: run not finished" in (tmp_path / "mnli_100_equal_epochs_d0_s0_t1" / "README.txt").read_text()
    )
    predicted = (tmp_path / "none_t0" / "predictions" / "xnli" / "test-sw.tsv").read_text().splitlines()
    labels = (tmp_path / "none_t0" / "labels" / "xnli" / "test-sw.tsv").read_text().splitlines()
    assert [p == gold for p, gold in zip(predicted, labels, strict=True)] == [True] * 3 + [False] * 7


def test_a_language_from_other_data_is_missing_alone(small: Any, tmp_path: Path) -> None:
    small.want_other_data(0, "sw")
    small.save()
    export("small", small.root, tmp_path, only="none_t0", allow_partial=True)
    folder = tmp_path / "none_t0"
    assert [path.name for path in (folder / "labels" / "xnli").iterdir()] == ["test-en.tsv"]
    assert "missing: sw: other data" in (folder / "README.txt").read_text()


def test_the_readme_says_split_run_and_that_the_script_needs_all_languages(small: Any, tmp_path: Path) -> None:
    folder, *_ = export("small", small.root, tmp_path)
    text = (folder / "README.txt").read_text()
    assert f"  xnli: test, 2 of 15 languages, run {small.cells[0].run}\n" in text
    assert "The script stops at a task that lacks a language: xnli.\n" in text
    assert json.loads((folder / "expected_scores.json").read_text()) == {}


def test_the_readme_says_what_a_dev_split_is_whose_name_does_not(builder: Any, span: Any, tmp_path: Path) -> None:
    builder.split_of["tydiqa"] = "dev"
    builder.cell(builder.run("tydiqa", 0, {"tydiqa": {"fi": span}}), "tydiqa")
    builder.save()
    (folder,) = export("small", builder.root, tmp_path)
    split = "dev (training files of languages that are not trained on)"
    assert f"  tydiqa: {split}, 1 of 9 languages, run " in (folder / "README.txt").read_text()


def test_a_grid_without_targets_of_xtreme_has_nothing_to_export(builder: Any, sequence: Any, tmp_path: Path) -> None:
    run = builder.run("mnli", 0, {"mnli": {"en": sequence(4)}})
    builder.cell(run, "mnli", size=100, seeds=(0, 0, -1))
    builder.save()
    with pytest.raises(GridError, match="it has no target task of XTREME"):
        export("small", builder.root, tmp_path)


def test_the_own_dev_set_of_an_intermediate_task_is_not_exported(small: Any, sequence: Any, tmp_path: Path) -> None:
    run = small.run("mnli", 99, {"mnli": {"en": sequence(4)}})
    small.cell(run, "mnli", size=100, seeds=(0, 0, -1))
    small.folder(4).done_json.unlink()
    small.save()
    assert len(export("small", small.root, tmp_path)) == 4


def test_the_command_says_what_it_wrote_and_what_is_next(small: Any, tmp_path: Path) -> None:
    arguments = ["export", "small", "--root", str(small.root), "--xtreme", str(tmp_path / "out"), "--only", "none_t0"]
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 0
    assert found.stdout.splitlines() == [
        f"wrote {tmp_path / 'out' / 'none_t0'}",
        f"next: read {tmp_path / 'out' / 'none_t0' / 'README.txt'}: how to score it with the official script",
    ]
