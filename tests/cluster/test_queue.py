"""States that Slurm decides, with a real one: elements are held, cancelled, run and die without any record."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cluster.standing_records import attempted, complete, submitted
from tests.cluster.trivial_runs import make_plan, run_of
from xstilts_hpc.cluster.cancel import cancel
from xstilts_hpc.cluster.devcluster import DevCluster
from xstilts_hpc.cluster.devcluster_processes import until
from xstilts_hpc.cluster.explain import explain
from xstilts_hpc.cluster.status import LOST, State, look
from xstilts_hpc.plan import Plan, grid_folder

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]
PLAN = make_plan({}, ["a", "b", "c", "d"])


@pytest.fixture
def slurm(devcluster: DevCluster, tmp_path: Path) -> Path:
    """Give a root with a plan, on a cluster."""
    PLAN.save(grid_folder(tmp_path, PLAN.name).plan)
    return tmp_path


def queue(root: Path, *options: str, command: str = "true") -> str:
    """Submit a job, and return its id."""
    asked = ["sbatch", "--parsable", "--mem=50", f"--output={root}/%A_%a.out", *options, "--wrap", command]
    return subprocess.run(asked, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def by_task(plan: Plan, root: Path) -> list[str]:
    view = look(plan, root)
    return [f"{view.standings[run_of(plan, task)].state}" for task in ("a", "b", "c", "d")]


def wait_for(plan: Plan, root: Path, wanted: Sequence[str]) -> None:
    until(lambda: by_task(plan, root) == list(wanted), limit_s=100)
    assert by_task(plan, root) == list(wanted)


def test_an_element_that_slurm_lists_nowhere_was_cancelled_and_is_eligible(slurm: Path) -> None:
    job = queue(slurm, "--hold", "--array=0-2")
    submitted(PLAN, slurm, [["a"], ["b"], ["c"]], job_id=job)
    subprocess.run(["scancel", f"{job}_1"], check=True, timeout=60)
    assert by_task(PLAN, slurm) == ["submitted", "eligible", "submitted", "eligible"]


def test_a_job_whose_sbatch_gave_no_answer_is_found_by_its_name(slurm: Path) -> None:
    job = queue(slurm, "--hold", "--array=0-1", "--job-name=xs-small-no-answer")
    submitted(PLAN, slurm, [["a"], ["b"]], job_id="", name="xs-small-no-answer")
    submitted(PLAN, slurm, [["c"], ["d"]], job_id="", name="xs-small-never-came", token="2")
    assert by_task(PLAN, slurm) == ["submitted", "submitted", "eligible", "eligible"]
    assert look(PLAN, slurm).queue.slots[run_of(PLAN, "b")].element == f"{job}_1"


def test_runs_of_a_pack_have_their_turns(slurm: Path) -> None:
    job = queue(slurm, command="sleep 60")
    submitted(PLAN, slurm, [["a", "b", "c", "d"]], job_id=job)
    complete(PLAN, slurm, "a")
    attempted(PLAN, slurm, "b", cause="failed", job={"SLURM_JOB_ID": job})
    attempted(PLAN, slurm, "c", cause="", end="", host="elsewhere", job={"SLURM_JOB_ID": job})
    wait_for(PLAN, slurm, ["completed", "failed", "running", "submitted"])
    told = explain(run_of(PLAN, "d"), slurm)
    assert told.next == "it has its turn in its element, after the runs before it"
    assert told.slurm["holds"] == "4 runs, one after another"


def test_an_attempt_without_end_whose_element_is_gone_is_lost(slurm: Path) -> None:
    job = queue(slurm, command="exit 3")
    submitted(PLAN, slurm, [["a"]], job_id=job)
    attempted(PLAN, slurm, "a", cause="", end="", host="elsewhere", job={"SLURM_JOB_ID": job})
    wait_for(PLAN, slurm, ["failed", "eligible", "eligible", "eligible"])
    assert look(PLAN, slurm).standings[run_of(PLAN, "a")].cause == LOST
    assert explain(run_of(PLAN, "a"), slurm).next.startswith("its node or its process is gone")


def test_an_element_that_failed_before_any_record_is_a_failure_of_its_first_run(slurm: Path) -> None:
    job = queue(slurm, "--array=0-1", command="exit 3")
    submitted(PLAN, slurm, [["a", "b"], ["c"]], job_id=job)
    wait_for(PLAN, slurm, ["failed", "eligible", "failed", "eligible"])


def test_a_run_given_up_is_failed_unless_it_was_submitted_again(slurm: Path) -> None:
    attempted(
        PLAN, slurm, "a", cause="preempted", again=False, decided="given up: preempted", job={"SLURM_JOB_ID": "5"}
    )
    assert by_task(PLAN, slurm)[0] == "failed"
    job = queue(slurm, "--hold")
    submitted(PLAN, slurm, [["a"]], job_id=job)
    assert by_task(PLAN, slurm)[0] == "submitted"
    subprocess.run(["scancel", job], check=True, timeout=60)
    wait_for(PLAN, slurm, ["eligible"] * 4)


def test_why_tells_the_reason_in_words(slurm: Path) -> None:
    job = queue(slurm, "--hold")
    first = queue(slurm, command="sleep 60")
    after = queue(slurm, f"--dependency=afterok:{first}")
    submitted(PLAN, slurm, [["a"]], job_id=job)
    submitted(PLAN, slurm, [["b"]], job_id=after, token="2")
    assert explain(run_of(PLAN, "a"), slurm).next == (
        "it is held by a user: `scontrol release` lets it go (JobHeldUser)"
    )
    assert (
        explain(run_of(PLAN, "b"), slurm).next
        == "it waits for the element of its parent, or for an array that goes first (max_parallel) (Dependency)"
    )


def test_cancel_says_how_many_runs_and_which_other_grid_needs_them(slurm: Path) -> None:
    other = make_plan({}, ["b"], name="other")
    other.save(grid_folder(slurm, other.name).plan)
    pending, running = queue(slurm, "--hold", "--array=0-1"), queue(slurm, command="trap '' TERM; sleep 60")
    submitted(PLAN, slurm, [["a", "b"], ["c"]], job_id=pending)
    submitted(PLAN, slurm, [["d"]], job_id=running, token="2")
    wait_for(PLAN, slurm, ["submitted", "submitted", "submitted", "running"])
    would = cancel(PLAN, slurm, dry_run=True)
    assert str(would).splitlines() == [
        "2 pending cancelled (3 runs), 1 running asked to save and stop",
        f"grid other needs 1 of these runs too: {run_of(PLAN, 'b')}; submit it again to have them done",
    ]
    assert by_task(PLAN, slurm)[:3] == ["submitted"] * 3
    assert cancel(PLAN, slurm, now=True).killed == (running,)
    wait_for(PLAN, slurm, ["eligible"] * 4)
    assert State.RUNNING not in look(PLAN, slurm).states.values()
