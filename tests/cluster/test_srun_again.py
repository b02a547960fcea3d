"""A batch script whose srun fails calls it again only where it began nothing and Slurm still runs the job."""

import subprocess
from pathlib import Path

import pytest

from xstilts_hpc.cluster.sbatch import srun_line
from xstilts_hpc.cluster.srun_again import began_nothing

AWAY = "srun: error: Unable to confirm allocation for job 7: Unable to contact slurm controller (connect failure)"
ADVICE = "srun: Check SLURM_JOB_ID environment variable. Expired or invalid job 7"
RUNS = "JobId=7 JobState=RUNNING Reason=None Restarts=0"


@pytest.fixture
def batch_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a batch script whose srun says what `words` holds and fails with 5, the first time, then writes `ran`."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    programs = {
        "srun": f"if mkdir {tmp_path}/first 2>/dev/null; then cat {tmp_path}/words >&2; exit 5; fi\necho ran >&2",
        "scontrol": f"cat {tmp_path}/facts",
    }
    for name, lines in programs.items():
        (bin_folder / name).write_text(f"#!/bin/sh\n{lines}\n", encoding="utf-8")
        (bin_folder / name).chmod(0o755)
    script = tmp_path / "script"
    script.write_text(f"{srun_line(tmp_path)}\nsrun --label true\n", encoding="utf-8")
    monkeypatch.setenv("PATH", str(bin_folder), prepend=":")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.delenv("SLURM_ARRAY_JOB_ID", raising=False)
    return script


def code_and_log(script: Path, words: str, facts: str) -> tuple[int, str]:
    """Execute the script as Slurm does, its log being appended to; return its exit code and the log."""
    log = script.with_name("7_0_log.out")
    script.with_name("words").write_text(f"{words}\n", encoding="utf-8")
    script.with_name("facts").write_text(f"{facts}\n", encoding="utf-8")
    with log.open("a", encoding="utf-8") as output:
        done = subprocess.run(["bash", str(script)], stdout=output, stderr=output, timeout=60, check=False)
    return done.returncode, log.read_text(encoding="utf-8")


def test_srun_is_called_again_where_it_met_no_controller(batch_script: Path) -> None:
    code, log = code_and_log(batch_script, f"{AWAY}\n{ADVICE}", RUNS)
    assert code == 0
    assert log.endswith("Slurm answers: srun is called again\nran\n")


@pytest.mark.parametrize(
    "words",
    ["srun: error: n1: task 0: Exited with exit code 5", f"{AWAY}\nelement begins, start 0\nsrun: error: n1: Killed"],
)
def test_srun_is_not_called_again_where_ranks_failed(batch_script: Path, words: str) -> None:
    assert code_and_log(batch_script, words, RUNS) == (5, f"{words}\n")


@pytest.mark.parametrize(
    "facts", ["JobId=7 JobState=COMPLETING Restarts=0", "JobId=7 JobState=RUNNING Restarts=1", "JobState=CANCELLED"]
)
def test_srun_is_not_called_again_for_a_start_that_slurm_has_ended(batch_script: Path, facts: str) -> None:
    code, log = code_and_log(batch_script, AWAY, facts)
    assert code == 5
    assert log.endswith("Slurm does not run this job any more\n")


def test_the_same_words_of_srun_count_once(batch_script: Path) -> None:
    ended = code_and_log(batch_script, AWAY, "JobState=COMPLETING")[1]
    assert began_nothing(AWAY) and not began_nothing(ended)
    assert not began_nothing(f"{ended}srun: error: n1: task 0: Killed\n")
    assert began_nothing(f"{ended}{AWAY}\n{ADVICE}\n")


@pytest.mark.parametrize(
    ("words", "nothing"),
    [
        ("Unable to confirm allocation for job 7: Socket timed out on send/recv operation", True),
        ("Unable to create step for job 7: Unable to contact slurm controller (connect failure)", True),
        ("Unable to create step for job 7: Socket timed out on send/recv operation", False),  # a step may be there
        ("Unable to confirm allocation for job 7: Invalid job id specified", False),
    ],
)
def test_only_words_that_leave_no_doubt_count(words: str, nothing: bool) -> None:
    assert began_nothing(f"srun: error: {words}\n") == nothing
