"""An sbatch whose answer is lost: what it took is found by its name, what it did not take is handed over again."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.cluster.test_submit import hand_over, wait_for_end
from tests.cluster.trivial_runs import FOLDER, done_tasks, make_plan, make_profile
from tests.waiting import wait_until
from xstilts_hpc.cluster import handover, sbatch
from xstilts_hpc.cluster.devcluster import DevCluster
from xstilts_hpc.cluster.handover import UnansweredError
from xstilts_hpc.cluster.slurm_commands import cancel
from xstilts_hpc.cluster.submission import submissions

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("devcluster")]

PLAN = make_plan({"a": ["a1", "a2"], "b": ["b1"]})
TIMES_OUT = 'echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2; exit 1'


def put_before(program: str, folder: Path, lines: str) -> None:
    """Put a program of Slurm into a folder whose first call does as told ({real} is the real one); others are real."""
    real, first = shutil.which(program), folder / f"first_{program}"
    folder.mkdir(exist_ok=True)
    text = f'#!/bin/sh\nif mkdir {first} 2>/dev/null; then\n{lines}\nfi\nexec {real} "$@"\n'
    (folder / program).write_text(text.replace("{real}", f'{real} "$@" > /dev/null'), encoding="utf-8")
    (folder / program).chmod(0o755)


def put_before_sbatch(folder: Path, monkeypatch: pytest.MonkeyPatch, lines: str) -> None:
    """Put such an sbatch on the PATH, and all else of the folder, of this process and of the jobs."""
    put_before("sbatch", folder, lines)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))


def times_executed(root: Path) -> list[int]:
    """Return how often each run was executed, of those that were."""
    return list(Counter(done["run"] for done in done_tasks(root)).values())


def test_an_sbatch_that_times_out_after_accepting_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_before_sbatch(tmp_path / "bin", monkeypatch, f"{{real}}\n{TIMES_OUT}")
    submission = hand_over(PLAN, tmp_path / "root")
    assert len(submission.elements) == 5
    wait_for_end(submission)
    assert times_executed(tmp_path / "root") == [1] * 5


def test_an_sbatch_that_hangs_after_accepting_is_given_up_and_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sbatch, "_SBATCH_S", 3)
    put_before_sbatch(tmp_path / "bin", monkeypatch, "{real}\nexec sleep 300")
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
    # of two elements one at a time: the first has begun, and its srun meets no controller; the other begins later
    controller, bin_folder = devcluster.processes()["slurmctld"].pid, tmp_path / "bin"
    goes = f"while [ -e /proc/{controller}/exe ]; do sleep 0.1; done"  # a zombie has none
    begins = f"until [ -d {bin_folder}/first_srun ]; do sleep 0.1; done"
    put_before("srun", bin_folder, goes)
    put_before_sbatch(bin_folder, monkeypatch, f"{{real}}\n{begins}\nkill {controller}\n{goes}\n{TIMES_OUT}")
    profile = make_profile(max_parallel=1)
    try:
        with pytest.raises(UnansweredError, match=r"submit again when Slurm answers"):
            hand_over(PLAN, tmp_path / "root", profile)
    finally:
        devcluster.start_controller()
    second = hand_over(PLAN, tmp_path / "root", profile)
    first = submissions(tmp_path / "root")[0]
    assert len(first.elements) == len(first.arrays[0].packs) == 2
    assert not first.elements.keys() & second.elements.keys()
    wait_for_end(first)
    wait_for_end(second)
    assert times_executed(tmp_path / "root") == [1] * 5
    (log,) = [log for log in first.folder.glob("*_log.out") if "srun is called again" in log.read_text()]
    assert "Unable to confirm allocation" in log.read_text()


def test_a_job_cancelled_while_its_batch_script_waits_for_slurm_ends_and_is_not_revived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = "srun: error: Unable to confirm allocation for job 7: Unable to contact slurm controller (connect failure)"
    bin_folder = tmp_path / "bin"
    put_before("srun", bin_folder, f'echo "{away}" >&2; exit 1')
    put_before("scontrol", bin_folder, f'rmdir {bin_folder}/first_scontrol; [ -z "$SLURM_JOB_ID" ] || exit 1')
    put_before_sbatch(bin_folder, monkeypatch, ":")
    submission = hand_over(make_plan({}, ["a"]), tmp_path / "root")
    log = submission.folder / f"{submission.job_ids[0]}_0_log.out"
    wait_until(lambda: log.is_file() and "waiting for one" in log.read_text(), "a batch script that waits")
    cancel(submission.job_ids)
    assert set(wait_for_end(submission).values()) == {"CANCELLED"}
    assert times_executed(tmp_path / "root") == []
    assert "called again" not in log.read_text()
