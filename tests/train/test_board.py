"""TensorBoard's files of a run, read back by TensorBoard itself: what it draws is what the history says, once."""

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.cluster.cleaned_roots import finish as finished
from tests.cluster.cleaned_roots import going, planned
from tests.cluster.trivial_runs import make_plan, run_of
from tests.test_stop import finish, prepare, start, wait_for_updates
from tests.tiny import grid_text
from xstilts_hpc.cluster.clean import What, find
from xstilts_hpc.expand import expand
from xstilts_hpc.files import read_json
from xstilts_hpc.grid import load_grid
from xstilts_hpc.machine import Machine
from xstilts_hpc.plan import Plan, Stage
from xstilts_hpc.run_folder import RunFolder, run_folder
from xstilts_hpc.train.board import Board, board, draw_scores
from xstilts_hpc.train.events import masked_crc, scalars
from xstilts_hpc.train.execute import execute
from xstilts_hpc.train.loop import Step

ALONE = Machine(zero_stage=0, threads=1)


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return the points of every curve as TensorBoard reads them."""
    read = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    read.Reload()
    return {tag: [(e.step, e.value) for e in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def single(values: list[tuple[int, float]]) -> list[tuple[int, float]]:
    return [(step, float(np.float32(value))) for step, value in values]


def history_of(folder: RunFolder) -> dict[str, list[tuple[int, float]]]:
    """Return what the curves of a run should be, by its history."""
    found: dict[str, list[tuple[int, float]]] = {}
    for line in folder.history.read_text().splitlines():
        row = json.loads(line)
        named = {f"loss/{row['task']}": row["loss"]}
        named |= {name: row[name] for name in ("learning_rate", "grad_norm", "tokens_per_s")}
        for name, value in named.items():
            found.setdefault(f"training/{name}", []).append((row["step"], value))
    return {tag: single(values) for tag, values in found.items()}


def step(number: int, loss: float = 0.5) -> Step:
    return Step(number, "mnli", loss, 1e-5, 0.5, 100.0, 4096)


def execute_first(root: Path, stage: Stage, machine: Machine) -> RunFolder:
    """Execute a run of a mixture, or the first that only reads an encoder."""
    (root / "grid.yaml").write_text(
        grid_text(intermediate="[{task: none}, {mixture: [mnli, hellaswag]}]", target="{task: tatoeba}")
    )
    plan = expand(load_grid(root / "grid.yaml"), root=root)
    run = next(planned for planned in plan.runs.values() if planned.stage == stage)
    folder = run_folder(root, run.run.id)
    folder.prepare(run.run, run.request)
    execute(root, run.run.id, machine, alone=True)
    return folder


def test_tensorboard_reads_the_curves_of_the_history_and_the_scores_of_the_record(tiny_root: Path) -> None:
    folder = execute_first(tiny_root, Stage.INTERMEDIATE, ALONE)
    found = curves(folder.tensorboard)
    assert {tag: found[tag] for tag in found if tag.startswith("training/")} == history_of(folder)
    assert {"training/loss/mnli", "training/loss/hellaswag"} <= set(found)
    scores = read_json(folder.done_json)["scores"]
    last = len(folder.history.read_text().splitlines())
    wanted = {
        f"score/{task}/{part}/{language}": single([(last, value)])
        for task, languages in scores.items()
        for language, parts in languages.items()
        for part, value in parts.items()
    }
    assert {tag: found[tag] for tag in found if tag.startswith("score/")} == wanted
    assert {"score/mnli/accuracy/en", "score/hellaswag/accuracy/en"} <= set(wanted)
    assert len(list(folder.tensorboard.iterdir())) == 1


def test_a_run_that_trains_nothing_shows_its_scores_by_language(tiny_root: Path) -> None:
    folder = execute_first(tiny_root, Stage.RETRIEVAL, ALONE)
    assert set(curves(folder.tensorboard)) == {"score/tatoeba/accuracy/de", "score/tatoeba/accuracy/sw"}


def test_a_profile_may_turn_it_off(tiny_root: Path) -> None:
    folder = execute_first(tiny_root, Stage.RETRIEVAL, Machine(zero_stage=0, threads=1, tensorboard=False))
    assert folder.done_json.is_file() and not folder.tensorboard.exists()


@pytest.mark.timeout(400)
def test_a_run_that_was_stopped_and_resumed_draws_every_update_once(tiny_root: Path) -> None:
    run = prepare(tiny_root)
    process = start(tiny_root, run)
    wait_for_updates(run, 40, process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=100)
    stopped = json.loads((run.checkpoints / "CURRENT.json").read_text())["step"]
    assert len(curves(run.tensorboard)["training/loss/mnli"]) == stopped
    finish(tiny_root, run)
    found = curves(run.tensorboard)
    assert {tag: found[tag] for tag in found if tag.startswith("training/")} == history_of(run)
    assert len(list(run.tensorboard.iterdir())) == 2  # one an attempt


def draw(folder: Path, steps: range, *, of: int, loss: float = 0.5) -> None:
    with board(folder, of, first=steps.start - 1) as one:
        for number in steps:
            one.draw(step(number, loss))


def test_updates_of_a_killed_attempt_behind_its_checkpoint_are_drawn_anew(tmp_path: Path) -> None:
    draw(tmp_path, range(1, 11), of=12, loss=0.5)
    (file,) = tmp_path.iterdir()
    with file.open("ab") as torn:
        torn.write(scalars(0.0, 11, {"training/loss/mnli": 0.5})[:-7])
    looking_on = EventAccumulator(str(tmp_path), size_guidance={"scalars": 0})
    looking_on.Reload()
    draw(tmp_path, range(7, 13), of=12, loss=0.25)
    wanted = [(number, 0.5 if number < 7 else 0.25) for number in range(1, 13)]
    assert curves(tmp_path)["training/loss/mnli"] == wanted
    looking_on.Reload()
    assert [(e.step, e.value) for e in looking_on.Scalars("training/loss/mnli")] == wanted


def test_scores_do_not_follow_a_torn_record(tmp_path: Path) -> None:
    draw(tmp_path, range(1, 5), of=4)
    (file,) = tmp_path.iterdir()
    with file.open("ab") as torn:
        torn.write(b"torn")
    draw_scores(tmp_path, 4, {"xnli": {"sw": {"accuracy": 0.5}}})
    found = curves(tmp_path)
    assert found["score/xnli/accuracy/sw"] == [(4, 0.5)]
    assert len(found["training/loss/mnli"]) == 4


def test_a_training_that_begins_anew_drops_what_was_drawn(tmp_path: Path) -> None:
    draw(tmp_path, range(1, 5), of=4)
    draw(tmp_path, range(1, 4), of=3, loss=2.0)
    assert curves(tmp_path)["training/loss/mnli"] == [(1, 2.0), (2, 2.0), (3, 2.0)]


def test_scores_of_a_run_that_is_asked_for_more_later_are_drawn_anew(tmp_path: Path) -> None:
    for value in (0.25, 0.75):
        draw_scores(tmp_path, 0, {"tatoeba": {"sw": {"accuracy": value}}})
    assert curves(tmp_path) == {"score/tatoeba/accuracy/sw": [(1, 0.75)]}


def test_a_long_training_has_a_thousand_points_the_first_and_the_last_among_them(tmp_path: Path) -> None:
    draw(tmp_path, range(1, 36_817), of=36_816)
    (file,) = tmp_path.iterdir()
    found = [number for number, _ in curves(tmp_path)["training/loss/mnli"]]
    assert found == [1, *range(37, 36_816, 37), 36_816]
    assert len(found) < 1_000 and file.stat().st_size < 200_000


def test_checksums_are_those_of_the_format() -> None:
    # CRC-32C of "123456789" is E3069283 (RFC 3720's check value); masked as TFRecord says.
    assert masked_crc(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_a_full_disk_is_an_error_at_once() -> None:
    with pytest.raises(OSError, match="No space left"), Path("/dev/full").open("wb") as file:
        Board(file, 1).draw(step(1))


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return planned(tmp_path, make_plan({"mnli": ["xnli"]}))


def test_clean_lists_the_files_of_done_runs(tmp_path: Path, plan: Plan) -> None:
    finished(tmp_path, plan, "mnli")
    for task in ("mnli", "xnli"):
        draw(run_folder(tmp_path, run_of(plan, task)).tensorboard, range(1, 3), of=2)
    assert going(find(plan, tmp_path), What.BOARD) == [run_folder(tmp_path, run_of(plan, "mnli")).tensorboard]


def test_the_file_is_on_disk_after_half_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with board(tmp_path, 10, first=0) as one:
        one.draw(step(1))
        assert curves(tmp_path) == {}
        now_s = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now_s + 31)
        one.draw(step(2))
        assert [number for number, _ in curves(tmp_path)["training/loss/mnli"]] == [1, 2]
