"""What is handed over is written down before and after, so that a lost answer of sbatch loses and doubles nothing."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.test_submit import done_by_task, hand_over, wait_for_end, wrap_sbatch
from tests.cluster.trivial_runs import FOLDER, done_tasks, make_plan, make_profile, run_of
from tests.waiting import wait_until
from xstilts_hpc.cluster.devcluster import DevCluster
from xstilts_hpc.cluster.submission import Submission, now, submissions
from xstilts_hpc.errors import RunError
from xstilts_hpc.files import write_json
from xstilts_hpc.plan import Plan
from xstilts_hpc.run_folder import run_folder

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def entry_path(devcluster: DevCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))


LOST = 'if [ "$(wc -l < "$CALLS")" -eq 1 ]; then {real} "$@" > /dev/null; {then} fi'
CHECKOUT = Path(__file__).resolve().parent.parent.parent
SBATCH = shutil.which("sbatch")


def submitting(plan: str, root: Path) -> str:
    """Return a program that submits a plan."""
    return (
        "from tests.cluster.test_submit import hand_over\n"
        "from tests.cluster.trivial_runs import make_plan\n"
        f"from pathlib import Path\nhand_over({plan}, Path({str(root)!r}))\n"
    )


def test_grids_submitted_at_the_same_second_share_their_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{FOLDER}:{CHECKOUT}")
    plans = [f"make_plan({{'a': ['a{n}']}}, name='grid{n}')" for n in range(3)]
    programs = [subprocess.Popen([sys.executable, "-c", submitting(plan, tmp_path)], cwd=CHECKOUT) for plan in plans]
    assert [program.wait(timeout=90) for program in programs] == [0, 0, 0]
    found = submissions(tmp_path)
    assert sorted(len(submission.runs) for submission in found) == [1, 1, 2]
    for submission in found:
        wait_for_end(submission)
    assert sorted(done_by_task(tmp_path)) == ["a", "a0", "a1", "a2"]
    assert len(done_tasks(tmp_path)) == 4


def test_a_submitter_killed_before_the_answer_leaves_an_intent_that_the_next_submit_resolves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    write_json(root / "orders.json", {"hold": ["a"]})
    plan = make_plan({}, ["a"])
    killed = LOST.format(real=SBATCH, then="kill -9 $PPID; sleep 5; exit 1;")
    wrap_sbatch(tmp_path, monkeypatch, killed)
    script = submitting("make_plan({}, ['a'])", root)
    # sbatch's parent is `timeout`; its parent is the submitter
    wrapper = tmp_path / "bin" / "sbatch"
    text = wrapper.read_text(encoding="utf-8").replace("$PPID", "$(ps -o ppid= -p $PPID) $PPID")
    wrapper.write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{FOLDER}:{CHECKOUT}")
    died = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, timeout=60, check=False)
    assert died.returncode == -9
    (intent,) = submissions(root)
    assert intent.unanswered() == [0]
    again = hand_over(plan, root)
    assert (again.runs, again.queued) == ((), (run_of(plan, "a"),))
    (received,) = submissions(root)
    assert received.unanswered() == []
    (root / "go").touch()
    wait_until(lambda: plan.done(root) == set(plan.runs), "the run")
    assert len(done_tasks(root)) == 1


def test_edits_made_later_do_not_reach_queued_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan({}, ["a"])
    submission = hand_over(plan, tmp_path, make_profile(slurm={"begin": "now+3"}))
    code = Path(submission.code)
    assert code.parent == tmp_path / "code"
    wait_for_end(submission)
    (line,) = done_by_task(tmp_path).values()
    assert line["environment"]["PYTHONPATH"].split(":")[0] == str(code)
    assert line["package"] == str(code / "xstilts_hpc")


def test_what_the_queue_has_no_room_for_goes_in_waves(tmp_path: Path) -> None:
    plan = make_plan({"a": ["a1", "a2"], "b": ["b1"]}, ["x", "y", "z"])
    profile = make_profile(max_submit=4)
    first = hand_over(plan, tmp_path, profile)
    assert (len(first.runs), first.later) == (3, True)
    wait_until(lambda: plan.done(tmp_path) == set(plan.runs), "all runs")
    waves = submissions(tmp_path)
    assert [len(wave.runs) for wave in waves] == [3, 2, 2, 1]  # a collector is in the queue while it submits
    assert len({run_id for wave in waves for run_id in wave.runs}) == 8
    for wave in waves:
        wait_for_end(wave)


def test_a_short_family_is_one_element(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan({"a": ["a1", "a2"]}, ["x"])
    monkeypatch.setattr("xstilts_hpc.cluster.submit.minutes_of", lambda *_: dict.fromkeys(plan.runs, 1.0))
    submission = hand_over(plan, tmp_path, make_profile(pack_min=10, time_min=60))
    family, alone = submission.arrays
    assert [len(family.packs), len(family.runs), len(alone.runs)] == [1, 3, 1]
    assert (family.time_min, alone.time_min) == (30, 30)
    wait_for_end(submission)
    assert plan.done(tmp_path) == set(plan.runs)


def test_nodes_where_several_runs_died_are_excluded(tmp_path: Path) -> None:
    dead = make_plan({}, ["x", "y"], name="before")
    for run_id in dead.runs:
        record = {"start": now(), "end": now(), "cause": "killed", "node": "0x7f000001", "error": "", "attempt": 1}
        write_json(run_folder(tmp_path, run_id).provenance(1), record)
    submission = hand_over(make_plan({}, ["a", "b", "c"]), tmp_path)
    wait_for_end(submission)
    nodes = {line["environment"]["SLURMD_NODENAME"] for line in done_by_task(tmp_path).values()}
    assert nodes == {"0x7f000002"}


def test_a_folder_that_everybody_may_write_to_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    plan = make_plan({}, ["a"])
    write_json(tmp_path / "grids" / "other.json", {})
    (tmp_path / "grids").chmod(0o777)
    with pytest.raises(RunError, match=r"grids may be written by everybody.*chmod .*o-w .*grids"):
        hand_over(plan, tmp_path)
    (tmp_path / "grids").chmod(0o755)
    wait_for_end(hand_over(plan, tmp_path))
    assert plan.done(tmp_path) == set(plan.runs)


def pack_of(plan: Plan, root: Path, monkeypatch: pytest.MonkeyPatch) -> Submission:
    """Submit runs as one element, and wait for its end."""
    monkeypatch.setattr("xstilts_hpc.cluster.submit.minutes_of", lambda *_: dict.fromkeys(plan.runs, 1.0))
    submission = hand_over(plan, root, make_profile(pack_min=10, time_min=60))
    assert [len(array.packs) for array in submission.arrays] == [1]
    wait_for_end(submission)
    return submission


def test_a_failed_run_of_a_pack_does_not_keep_the_others_and_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(tmp_path / "orders.json", {"fail": ["x"]})
    plan = make_plan({}, ["x", "y"])
    submission = pack_of(plan, tmp_path, monkeypatch)
    assert plan.done(tmp_path) == {run_of(plan, "y")}
    (attempt,) = run_folder(tmp_path, run_of(plan, "x")).attempts()
    assert (attempt["cause"], attempt["again"]) == ("failed", False)
    assert "is passed over: an earlier start gave it up" in submission.log(run_of(plan, "x")).read_text()


def test_a_pack_whose_run_leaves_no_record_comes_to_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(tmp_path / "orders.json", {"fail": ["x"], "vanish": ["y"]})
    plan = make_plan({}, ["x", "y"])
    submission = pack_of(plan, tmp_path, monkeypatch)
    log = submission.log(run_of(plan, "y")).read_text()
    assert log.count("element begins") == 2
    assert log.count("leaves without a record") == 1
