"""An sbatch whose answer is lost: what it took is found by its name, what it did not take is handed over again."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.cluster.test_submit import hand_over, wait_for_end
from tests.cluster.trivial_runs import FOLDER, done_tasks, make_plan
from xstilts_hpc.cluster import handover, sbatch
from xstilts_hpc.cluster.devcluster import DevCluster
from xstilts_hpc.cluster.handover import UnansweredError
from xstilts_hpc.cluster.submission import submissions

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("devcluster")]

PLAN = make_plan({"a": ["a1", "a2"], "b": ["b1"]})
TIMES_OUT = 'echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2; exit 1'


def put_before_sbatch(folder: Path, monkeypatch: pytest.MonkeyPatch, lines: str) -> None:
    """Put an sbatch on the PATH whose first call does as told ({sbatch} is the real one) and whose others are real."""
    sbatch, first = shutil.which("sbatch"), folder / "first"
    folder.mkdir()
    text = f'#!/bin/sh\nif mkdir {first} 2>/dev/null; then\n{lines}\nfi\nexec {sbatch} "$@"\n'
    (folder / "sbatch").write_text(text.replace("{sbatch}", f'{sbatch} "$@" > /dev/null'), encoding="utf-8")
    (folder / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))


def times_executed(root: Path) -> list[int]:
    """Return how often each run was executed, of those that were."""
    return list(Counter(done["run"] for done in done_tasks(root)).values())


def test_an_sbatch_that_times_out_after_accepting_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_before_sbatch(tmp_path / "bin", monkeypatch, f"{{sbatch}}\n{TIMES_OUT}")
    submission = hand_over(PLAN, tmp_path / "root")
    assert len(submission.elements) == 5
    wait_for_end(submission)
    assert times_executed(tmp_path / "root") == [1] * 5


def test_an_sbatch_that_hangs_after_accepting_is_given_up_and_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sbatch, "_SBATCH_S", 3)
    put_before_sbatch(tmp_path / "bin", monkeypatch, "{sbatch}\nexec sleep 300")
    submission = hand_over(PLAN, tmp_path / "root")
    assert len(submission.elements) == 5
    wait_for_end(submission)
    assert times_executed(tmp_path / "root") == [1] * 5


def test_an_sbatch_that_was_never_accepted_is_written_down_and_repeated_by_the_next_submit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "_LATE_S", 2)
    put_before_sbatch(tmp_path / "bin", monkeypatch, TIMES_OUT)
    with pytest.raises(UnansweredError, match=r"knows no job named .* submit again when Slurm answers"):
        hand_over(PLAN, tmp_path / "root")
    assert submissions(tmp_path / "root")[0].elements == {}
    wait_for_end(hand_over(PLAN, tmp_path / "root"))
    assert times_executed(tmp_path / "root") == [1] * 5


def test_where_slurm_goes_away_after_accepting_the_next_submit_finds_what_it_took(
    devcluster: DevCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = devcluster.processes()["slurmctld"].pid
    away = f"{{sbatch}}\nkill {controller}\nwhile kill -0 {controller} 2>/dev/null; do sleep 0.1; done\n{TIMES_OUT}"
    put_before_sbatch(tmp_path / "bin", monkeypatch, away)
    try:
        with pytest.raises(UnansweredError, match=r"submit again when Slurm answers"):
            hand_over(PLAN, tmp_path / "root")
    finally:
        devcluster.start_controller()
    second = hand_over(PLAN, tmp_path / "root")
    first = submissions(tmp_path / "root")[0]
    assert len(first.elements) == len(first.arrays[0].packs)
    assert not first.elements.keys() & second.elements.keys()
    wait_for_end(first)
    wait_for_end(second)
    assert times_executed(tmp_path / "root") == [1] * 5
