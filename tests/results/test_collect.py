"""The collector, on small grids whose scores are chosen by hand."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from xstilts_hpc.errors import GridError, IncompleteError, RunError
from xstilts_hpc.files import read_json, write_json
from xstilts_hpc.results.collect import COLUMNS, collect, gather
from xstilts_hpc.results.named import find_grid
from xstilts_hpc.results.rows import score_files

REPOSITORY = Path(__file__).resolve().parents[2]


def values(frame: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in frame[list(columns)].itertuples(index=False)]


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_scores_have_a_row_per_cell_language_and_part_in_plan_order(small: Any) -> None:
    frame = collect("small", small.root).frame
    assert list(frame.columns) == list(COLUMNS)
    assert values(frame, "intermediate", "size", "target_seed", "language", "value") == [
        ("none", 0, 0, "en", 0.5),
        ("none", 0, 0, "sw", 0.3),
        ("mnli", 100, 0, "en", 0.7),
        ("mnli", 100, 0, "sw", 0.5),
        ("none", 0, 1, "en", 0.5),
        ("none", 0, 1, "sw", 0.4),
        ("mnli", 100, 1, "en", 0.6),
        ("mnli", 100, 1, "sw", 0.5),
    ]
    assert values(frame.head(1), "grid", "split", "metric", "headline", "examples", "flags", "full") == [
        ("small", "test", "accuracy", True, 10, "", False)
    ]


def test_one_run_answers_two_cells_and_each_file_gives_its_own_parts(builder: Any, sequence: Any, span: Any) -> None:
    run = builder.run("squad_v1", 0, {"xquad": {"en": span}, "xnli": {"en": sequence(4)}})
    builder.cell(run, "xquad")
    builder.cell(run, "xnli")
    builder.save()
    frame = collect("small", builder.root).frame
    assert values(frame, "target", "metric", "headline", "run") == [
        ("xquad", "exact_match", True, run),
        ("xquad", "f1", True, run),
        ("xnli", "accuracy", True, run),
    ]
    assert frame["value"].tolist() == pytest.approx([0.0, 2 / 3, 0.4])


def test_parts_that_do_not_count_are_marked_and_a_collapsed_run_is_flagged(builder: Any, tokens: Any) -> None:
    builder.cell(builder.run("panx", 0, {"panx": {"en": tokens}}), "panx")
    frame = gather(builder.plan(), builder.root).frame
    assert values(frame, "metric", "headline", "value", "flags") == [
        ("f1", True, 0.0, "collapsed"),
        ("precision", False, 0.0, "collapsed"),
        ("recall", False, 0.0, "collapsed"),
    ]


def test_logits_that_are_not_finite_are_flagged(builder: Any, sequence: Any) -> None:
    logits = sequence(4)
    logits.logits[3, 1] = np.nan
    builder.cell(builder.run("mnli", 0, {"xnli": {"en": logits}}), "xnli")
    assert gather(builder.plan(), builder.root).frame["flags"].tolist() == ["not_finite"]


def test_a_missing_run_is_listed_and_the_rest_is_written(small: Any) -> None:
    small.folder(3).done_json.unlink()
    with pytest.raises(
        IncompleteError, match=r"1 of 4 cells are missing.*\n.*run not finished\nnext: .* --root "
    ) as error:
        collect("small", small.root)
    assert error.value.exit_code == 4
    written = pd.read_csv(find_grid("small", small.root).scores_csv)
    assert written["value"].tolist() == [0.5, 0.3, 0.7, 0.5, 0.5, 0.4]


def test_with_allow_partial_missing_cells_are_returned(small: Any) -> None:
    small.folder(3).done_json.unlink()
    scores = collect("small", small.root, allow_partial=True)
    assert [(item.cell, item.language, item.reason) for item in scores.missing] == [
        (small.cells[3], "", "run not finished")
    ]
    assert [(state.state, state.reason) for state in scores.runs] == [
        ("done", ""),
        ("done", ""),
        ("done", ""),
        ("missing", "run not finished"),
    ]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (flip_a_byte, "file damaged: .*differs from the SHA-256"),
        (Path.unlink, "file missing: .*not on disk"),
        (lambda path: path.write_bytes(b"short"), "file damaged: .*differs from the SHA-256"),
    ],
)
def test_damage_to_one_file_does_not_stop_the_others(
    builder: Any, sequence: Any, tokens: Any, damage: Any, reason: str
) -> None:
    run = builder.run("mnli", 0, {"xnli": {"en": sequence(4)}, "panx": {"en": tokens}})
    builder.cell(run, "xnli")
    builder.cell(run, "panx")
    damage(builder.folder(0).logits("xnli"))
    scores = gather(builder.plan(), builder.root)
    assert set(scores.frame["target"]) == {"panx"}
    (missing,) = scores.missing
    assert missing.cell.target == "xnli"
    assert re.match(reason, missing.reason)


def test_a_damaged_commit_record_is_a_reason(small: Any) -> None:
    small.folder(0).done_json.write_text("{")
    (missing,) = gather(small.plan(), small.root).missing
    assert missing.reason.startswith("file damaged: ")
    assert "not valid JSON" in missing.reason


def test_the_commit_record_of_another_run_is_refused(small: Any) -> None:
    write_json(small.folder(0).done_json, {**read_json(small.folder(0).done_json), "run": "another"})
    (missing,) = gather(small.plan(), small.root).missing
    assert missing.reason.endswith("DONE.json is the record of run another")


def test_only_the_language_predicted_from_other_data_is_missing(small: Any) -> None:
    small.want_other_data(0, "sw")
    scores = gather(small.plan(), small.root)
    assert [(item.language, item.reason.partition(":")[0]) for item in scores.missing] == [("sw", "other data")]
    assert values(scores.frame.head(2), "target_seed", "language", "value") == [(0, "en", 0.5), (0, "en", 0.7)]


def test_a_language_that_was_not_predicted_is_missing(small: Any) -> None:
    small.want_other_data(0, "th")
    (missing,) = gather(small.plan(), small.root).missing
    assert (missing.language, missing.reason.partition(":")[0]) == ("th", "run not finished")


def test_csv_and_parquet_hold_the_same_scores(small: Any) -> None:
    scores = collect("small", small.root)
    folder = find_grid("small", small.root)
    csv = pd.read_csv(folder.scores_csv, dtype=dict(COLUMNS), keep_default_na=False)
    pd.testing.assert_frame_equal(pd.read_parquet(folder.scores_parquet), scores.frame)
    pd.testing.assert_frame_equal(csv, scores.frame)
    assert not list(folder.path.glob("*.partial"))


def test_a_grid_without_any_score_still_has_every_column(builder: Any) -> None:
    builder.cell(builder.planned("mnli", 0, {"xnli": ["en"]}), "xnli")
    builder.save()
    with pytest.raises(IncompleteError, match="1 of 1 cells"):
        collect("small", builder.root)
    assert list(pd.read_parquet(find_grid("small", builder.root).scores_parquet).columns) == list(COLUMNS)


def test_a_grid_may_be_given_by_its_file_which_needs_no_data(small: Any, tmp_path: Path) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text("schema: 1\nname: small\ndata: nowhere\n")
    assert len(collect(path, small.root).frame) == 8


@pytest.mark.parametrize(
    ("grid", "error", "message"),
    [
        ("absent.yaml", GridError, "no such file"),
        ("../small", GridError, "no such file"),
        ("a b", GridError, "no name of a grid"),
        ("smal", RunError, "no plan there; submit the grid first"),
    ],
)
def test_a_grid_that_is_not_there_is_one_message(small: Any, grid: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        collect(grid, small.root)


def test_several_processes_give_the_same_scores_in_the_same_order(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = gather(small.plan(), small.root)
    monkeypatch.setattr("xstilts_hpc.results.rows._MANY_FILES", 1)
    together = gather(small.plan(), small.root, processes=2)
    pd.testing.assert_frame_equal(together.frame, alone.frame)
    assert score_files([], processes=2) == []


def run_tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / "tools" / "collect.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_tool_says_what_is_missing_without_a_traceback(small: Any) -> None:
    small.folder(3).done_json.unlink()
    strict = run_tool("small", "--root", str(small.root))
    assert strict.returncode == 4
    assert strict.stderr.startswith("error: grid small: 1 of 4 cells are missing")
    assert "Traceback" not in strict.stderr
    partial = run_tool("small", "--root", str(small.root), "--allow-partial")
    assert (partial.returncode, partial.stderr) == (0, "")
    assert "52.5" not in strict.stdout
    assert "60.0 (n=1/2)" in partial.stdout


def test_the_tool_refuses_a_grid_file_that_is_not_there(tmp_path: Path) -> None:
    answer = run_tool("absent.yaml", "--root", str(tmp_path))
    assert answer.returncode == 3
    assert answer.stderr == "error: absent.yaml: no such file\n"
