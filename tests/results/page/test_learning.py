"""Learning curves: means of whole lines, however long the history is, and gaps for what is not finite."""

from pathlib import Path

import pytest

from xstilts_hpc.files import append_json_line
from xstilts_hpc.results.page.learning import LearningCurve, learning_curve, learning_curves, plain
from xstilts_hpc.run_folder import run_folder


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Give a history of 1,000 updates whose loss falls from 1 to 0."""
    path = tmp_path / "history.jsonl"
    path.write_text("".join(f'{{"loss": {1 - step / 1_000:.3f}, "step": {step}}}\n' for step in range(1, 1_001)))
    return path


def test_a_short_history_is_shown_update_by_update(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    for step in (1, 2, 3):
        append_json_line(path, {"step": step, "loss": 1 / step})
    assert learning_curve(path, 60) == LearningCurve((1, 2, 3), (1.0, 0.5, 0.3333))


def test_a_point_is_the_mean_of_the_updates_before_it(history: Path) -> None:
    curve = learning_curve(history, 10)
    assert len(curve.updates) == 10 and curve.updates[-1] == 1_000
    # a tenth of the file is about 100 updates, whose mean is the loss in their middle
    assert curve.loss[-1] == pytest.approx(1 - 950 / 1_000, abs=0.005)
    assert curve.loss[0] == pytest.approx(1 - curve.updates[0] / 2_000, abs=0.005)


def test_every_update_is_in_one_point(history: Path) -> None:
    lines = history.read_text().splitlines(keepends=True)
    history.write_text("".join(lines[:100]))
    curve = learning_curve(history, 100)
    assert curve.updates == tuple(sorted(set(curve.updates)))
    sizes = [after - before for before, after in zip((0, *curve.updates), curve.updates, strict=False)]
    assert sum(sizes) == 100 and sum(a * b for a, b in zip(sizes, curve.loss, strict=True)) == pytest.approx(94.95)


def test_a_line_that_is_being_written_is_left_out(history: Path) -> None:
    with history.open("a") as file:
        file.write('{"step": 1001, "lo')
    assert learning_curve(history, 5).updates[-1] == 1_000


@pytest.mark.parametrize("torn", ['{"step": 3, "lo{"step": 4, "loss": 0.25}', "null", '{"step": 3}', "\udcff"])
def test_a_line_that_a_dead_node_cut_is_left_out(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "history.jsonl"
    whole = '{"step": 1, "loss": 1.0}\n', '{"step": 5, "loss": 0.5}\n'
    path.write_text(f"{whole[0]}{torn}\n{whole[1]}", encoding="utf-8", errors="surrogateescape")
    assert learning_curve(path, 60) == LearningCurve((1, 5), (1.0, 0.5))


def test_a_run_without_history_has_no_curve(tmp_path: Path) -> None:
    (tmp_path / "runs" / "a").mkdir(parents=True)
    append_json_line(run_folder(tmp_path, "a").history, {"step": 1, "loss": 0.5})
    assert learning_curves(tmp_path, ["a", "b"]) == {"a": LearningCurve((1,), (0.5,))}


def test_many_runs_have_fewer_points_each(tmp_path: Path, history: Path) -> None:
    (tmp_path / "runs" / "a").mkdir(parents=True)
    history.rename(run_folder(tmp_path, "a").history)
    few, many = ([name, "a"] for name in ("b", "c"))
    assert len(learning_curves(tmp_path, few)["a"].updates) == 60
    assert len(learning_curves(tmp_path, [*many, *map(str, range(4_998))])["a"].updates) == 12


def test_a_loss_that_is_not_finite_is_a_gap() -> None:
    assert plain(LearningCurve((1, 2), (float("inf"), 0.5))) == ([1, 2], [None, 0.5])
