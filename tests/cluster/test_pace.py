"""The throttle over all arrays of a submission: shares of what has ended go to what goes on."""

import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cluster.trivial_runs import make_profile
from xstilts_hpc.cluster.devcluster import DevCluster
from xstilts_hpc.cluster.pace import Load, rebalance, rebalance_now
from xstilts_hpc.cluster.profile import describe
from xstilts_hpc.cluster.slurm_commands import elements_of
from xstilts_hpc.cluster.submission import Submission, SubmittedArray, now
from xstilts_hpc.files import read_json
from xstilts_hpc.lease import hold
from xstilts_hpc.machine import Machine


def test_share_of_an_array_that_ended_goes_to_those_that_go_on() -> None:
    load = {"1": Load(running=1), "2": Load(ready=20, running=2), "3": Load(ready=20, running=2)}
    assert rebalance(load, 8, {"1": 4, "2": 2, "3": 2}) == {"2": 4, "3": 3}
    assert rebalance({"2": Load(running=2), "3": Load(ready=20, running=2)}, 8, {"2": 4, "3": 4}) == {"3": 6}


def test_elements_that_could_start_come_before_those_that_wait() -> None:
    load = {"1": Load(ready=6, running=2), "2": Load(waiting=8)}
    assert rebalance(load, 6, {"1": 3, "2": 3}) == {"1": 5, "2": 1}
    assert rebalance({"1": Load(ready=1, running=2), "2": Load(waiting=8)}, 6, {"1": 5, "2": 1}) == {"1": 3, "2": 3}


def test_plain_jobs_count_and_are_left_alone() -> None:
    load = {"1": Load(ready=1), "2": Load(running=1), "3": Load(ready=9, running=1)}
    assert rebalance(load, 5, {"3": 1}) == {"3": 3}


def test_what_is_right_already_is_not_changed() -> None:
    assert rebalance({"1": Load(ready=9, running=4)}, 4, {"1": 4}) == {}
    assert rebalance({}, 4, {"1": 4}) == {}


def test_too_many_running_elements_let_no_array_grow() -> None:
    assert rebalance({"1": Load(ready=9, running=4), "2": Load(ready=1)}, 4, {"1": 4, "2": 1}) == {}


NOBODY: Mapping[str, str] = {}
LOADS = st.builds(Load, st.integers(0, 20), st.integers(0, 20), st.integers(0, 5))


@given(st.dictionaries(st.sampled_from("abcdef"), LOADS), st.integers(1, 40), st.sets(st.sampled_from("abcdef")))
def test_sum_stays_within_the_bound(load: dict[str, Load], max_parallel: int, plain: set[str]) -> None:
    throttles = {job: 1 for job in load if job not in plain}
    new = {**throttles, **rebalance(load, max_parallel, throttles)}
    held = {job: max(new.get(job, 1) if found.pending else 0, found.running) for job, found in load.items()}
    least = sum(max(found.running, found.pending > 0) for found in load.values())
    assert sum(held.values()) <= max(max_parallel, least)
    assert all(new[job] >= 1 for job in throttles)
    if load and set(throttles) == set(load):
        could = sum(found.running + found.pending for found in load.values())
        assert sum(held.values()) >= min(max_parallel, could)


def submission_of(
    root: Path, jobs: Mapping[str, int], max_parallel: int, follows: Mapping[str, str] = NOBODY
) -> Submission:
    """Return the written record of arrays with so many elements of one run each; some follow another one."""
    folder = root / "grids/g/submissions/t"
    packs = {job: tuple((f"{job}-{i}",) for i in range(size)) for job, size in jobs.items()}
    after = {job: f"afterany:{other}" for job, other in follows.items()}
    arrays = tuple(SubmittedArray("target", packs[job], -1, after.get(job, ""), job) for job in jobs)
    profile = describe(make_profile(max_parallel=max_parallel))
    submission = Submission(folder, "g", root, profile, Machine(), arrays, now())
    folder.mkdir(parents=True)
    submission.write()
    return submission


def test_without_slurm_throttles_stay_and_the_log_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    submission = submission_of(tmp_path, {"1": 4, "2": 4}, 4)
    monkeypatch.setenv("PATH", str(tmp_path))
    rebalance_now(submission)
    assert "throttles stay as they are: squeue: no such command" in caplog.text
    assert not (submission.folder / "pace.json").exists() and not (submission.folder / "PACE").exists()


def test_an_element_that_finds_another_at_it_leaves_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    submission = submission_of(tmp_path, {"1": 4, "2": 4}, 4)
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "1")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    with hold(submission.folder / "PACE"):
        rebalance_now(submission)
    assert [path.name for path in (submission.folder / "leaving").iterdir()] == ["1_3"]


def test_a_bound_of_none_needs_no_slurm(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rebalance_now(submission_of(tmp_path, {"1": 4, "2": 4}, 0))
    assert caplog.text == ""


ACT = """
import logging, pathlib, sys
from xstilts_hpc.cluster.pace import rebalance_now
from xstilts_hpc.cluster.submission import read_submission
logging.basicConfig(level=logging.INFO)
rebalance_now(read_submission(pathlib.Path(sys.argv[1])))
"""


def sbatch(root: Path, size: int, parallel: int, seconds: float, follows: str = "") -> str:
    """Submit an array whose elements write down when they begin and end, and rebalance as their last act."""
    record = root / "grids/g/submissions/t/submission.json"
    log = shlex.quote(str(root / "stamps"))
    act = f"{shlex.quote(sys.executable)} -c {shlex.quote(ACT)} {shlex.quote(str(record))}"
    stamp = 'echo "$(date +%s.%N) $SLURM_ARRAY_JOB_ID'
    script = f'{stamp} 1" >> {log}; sleep {seconds}; {stamp} -1" >> {log}; {act}'
    command = ["sbatch", "--parsable", "--mem=10", f"--array=0-{size - 1}%{parallel}", "-o", f"{root}/%A_%a.txt"]
    command += ["-d", f"afterany:{follows}"] if follows else []
    return subprocess.run([*command, "--wrap", script], capture_output=True, text=True, check=True).stdout.strip()


def stamps(root: Path) -> list[tuple[float, str, int]]:
    lines = (root / "stamps").read_text(encoding="utf-8").splitlines()
    return sorted((float(at), job, int(change)) for at, job, change in map(str.split, lines))


def most_at_once(events: list[tuple[float, str, int]]) -> int:
    running = [sum(change for _, _, change in events[: i + 1]) for i in range(len(events))]
    return max(running)


def wait_for(*jobs: str, record: Path | None = None) -> list[dict[str, int]]:
    """Wait for the end of some jobs; return what a record of throttles said meanwhile."""
    deadline, seen = time.monotonic() + 60, []
    while set(elements_of(jobs).values()) - {"COMPLETED"}:
        assert time.monotonic() < deadline
        if record is not None and record.is_file():
            seen.append(read_json(record))
        time.sleep(0.3)
    return seen


@pytest.mark.slurm
def test_the_long_array_takes_the_share_of_the_short_one(
    devcluster: DevCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    short, long = sbatch(tmp_path, 4, 1, 0.5), sbatch(tmp_path, 14, 3, 3)
    submission = submission_of(tmp_path, {short: 4, long: 14}, 4)
    throttles = wait_for(short, long, record=submission.folder / "pace.json")
    events = stamps(tmp_path)
    ended = max(at for at, job, _ in events if job == short)
    assert most_at_once(events) == 4
    assert most_at_once([event for event in events if event[1] == long and event[0] < ended]) == 3
    assert most_at_once([event for event in events if event[1] == long]) == 4
    # not the last one, which follows what is left: it is 3 where three elements were the last to wait
    assert max(found[long] for found in throttles) == 4


@pytest.mark.slurm
def test_an_array_that_follows_another_has_no_share_before_its_turn(
    devcluster: DevCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    first, long = sbatch(tmp_path, 2, 1, 0.2), sbatch(tmp_path, 7, 1, 2)
    second, last = sbatch(tmp_path, 2, 1, 0.2, first), sbatch(tmp_path, 2, 1, 0.2, long)
    sizes = {first: 2, long: 7, second: 2, last: 2}
    submission_of(tmp_path, sizes, 2, {second: first, last: long})
    wait_for(*sizes)
    events = stamps(tmp_path)
    ended = max(at for at, job, _ in events if job == second)
    assert most_at_once(events) == 2
    assert most_at_once([event for event in events if event[1] == long and event[0] < ended]) == 1
    assert most_at_once([event for event in events if event[1] == long]) == 2
