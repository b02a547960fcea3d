"""The doctor's visit to the nodes: what follows from what the ranks wrote, and a visit to a real Slurm."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.trivial_runs import make_profile
from xstilts_hpc.cluster.doctor_check import Check, Level
from xstilts_hpc.cluster.doctor_submit import Patience, send_to_node
from xstilts_hpc.cluster.doctor_visit import Visit, new_visit, visit_checks, visit_of
from xstilts_hpc.cluster.limits import queued_now
from xstilts_hpc.errors import RunError
from xstilts_hpc.files import write_json

CPU = {"DS_ACCELERATOR": "cpu", "GLOO_SOCKET_IFNAME": "lo"}


def visit(tmp_path: Path, *records: dict[str, Any], ranks: int = 2, requeue: bool = True) -> Visit:
    found = new_visit(tmp_path, "t")
    write_json(found.ordered, {"ranks": ranks, "requeue": requeue, "submitted": 1000.0})
    for number, record in enumerate(records):
        basis = {"rank": number, "host": "h", "node": f"n{number}", "time": 1010.0, "steps": {}, "doing": ""}
        write_json(found.rank(number), {**basis, **record})
    return found


def levels(checks: list[Check]) -> dict[str, str]:
    return {check.name: str(check.level) for check in checks}


def step(found: str = "", *, ok: bool = True) -> dict[str, Any]:
    return {"ok": ok, "found": found}


def test_steps_are_told_in_the_order_they_were_taken_and_alike_failures_together(tmp_path: Path) -> None:
    steps = {"signal": step("SIGUSR2"), "root": step("/r"), "gpu": step("no GPU", ok=False)}
    checks = visit_checks(visit(tmp_path, {"steps": steps}, {"steps": steps}, requeue=False), 1020.0)
    assert [check.name for check in checks] == ["ranks", "root", "gpu", "signal", "clock"]
    assert (checks[0].found, checks[2].found) == ("2 of 2 ranks on n0, n1", "rank 0, 1: no GPU")
    assert checks[2].level is Level.PROBLEM


def test_a_rank_that_hangs_has_said_where(tmp_path: Path) -> None:
    checks = visit_checks(visit(tmp_path, {"doing": "process group"}), 1020.0)
    found = {check.name: check for check in checks}
    assert found["ranks"].found == "1 of 2 ranks on n0"
    assert found["process group"].found == "rank 0 did not come to the end of it"
    assert levels(checks) == {"ranks": "problem", "process group": "problem", "clock": "ok", "requeue": "warning"}


def test_two_ranks_on_one_gpu_are_a_problem(tmp_path: Path) -> None:
    same = visit_checks(visit(tmp_path, {"device": "GPU-1"}, {"device": "GPU-1"}), 1020.0)
    assert levels(same)["gpu per rank"] == "problem"
    other = visit_checks(visit(tmp_path, {"device": "GPU-1"}, {"device": "GPU-2"}), 1020.0)
    assert levels(other)["gpu per rank"] == "ok"


@pytest.mark.parametrize(("at", "found"), [(990.0, "10 s behind"), (1030.0, "10 s ahead of"), (1003.0, "agree")])
def test_a_clock_that_differs_is_noticed(at: float, found: str, tmp_path: Path) -> None:
    checks = visit_checks(visit(tmp_path, {"time": at}), 1020.0)
    assert found in next(check.found for check in checks if check.name == "clock")


def test_no_visit_of_a_token_lists_those_there_are(tmp_path: Path) -> None:
    visit(tmp_path)
    with pytest.raises(RunError, match=r"no visit '\.\./t'; there are: t"):
        visit_of(tmp_path, "../t")
    assert visit_checks(visit_of(tmp_path, "t"), time.time())[0].found == "no rank wrote anything"


@pytest.mark.slurm
@pytest.mark.timeout(240)
@pytest.mark.usefixtures("devcluster")
def test_two_ranks_on_a_real_node_find_everything_fine(tmp_path: Path) -> None:
    profile = make_profile(ranks=2, memory_gb=2, environment=CPU, zero_stage=2)
    lines: list[str] = []
    checks = send_to_node(profile, tmp_path, Patience(), tell=lines.append)
    assert set(levels(checks).values()) == {"ok"}, checks
    steps = ["root", "scratch", "python", "process group", "deepspeed", "scontrol", "signal"]
    assert list(levels(checks)) == ["job", "ranks", *steps, "clock", "requeue"]
    assert "started again (SLURM_RESTART_COUNT 1" in checks[-1].found
    token = next((tmp_path / "doctor").iterdir()).name
    assert token in lines[0]
    assert levels(visit_checks(visit_of(tmp_path, token), time.time()))["requeue"] == "ok"


@pytest.mark.slurm
@pytest.mark.timeout(240)
@pytest.mark.usefixtures("devcluster")
def test_gpus_that_torch_does_not_see_are_a_problem(tmp_path: Path) -> None:
    profile = make_profile(gpus_per_node=1, gpu_request="gpus-per-node", memory_gb=2, slurm={"no-requeue": True})
    checks = send_to_node(profile, tmp_path, Patience(), tell=lambda _: None)
    gpu = next(check for check in checks if check.name == "gpu")
    assert (gpu.level, "sees no GPU (CUDA_VISIBLE_DEVICES='0')" in gpu.found) == (Level.PROBLEM, True)
    assert "requeue" not in levels(checks)


@pytest.mark.slurm
@pytest.mark.timeout(120)
@pytest.mark.usefixtures("devcluster")
def test_a_job_that_does_not_start_in_time_is_cancelled(tmp_path: Path) -> None:
    before = queued_now()
    profile = make_profile(slurm={"begin": "now+1hour"})
    checks = send_to_node(profile, tmp_path, Patience(wait_min=0.05), tell=lambda _: None)
    assert levels(checks) == {"job": "problem"}
    assert "is pending (BeginTime) after 0.05 min, and was cancelled" in checks[0].found
    assert queued_now() == before


@pytest.mark.slurm
@pytest.mark.timeout(120)
@pytest.mark.usefixtures("devcluster")
def test_a_refusal_is_told_in_the_words_of_sbatch(tmp_path: Path) -> None:
    (check,) = send_to_node(make_profile(constraint="none_such"), tmp_path, Patience(), tell=lambda _: None)
    assert (check.level, check.name) == (Level.PROBLEM, "job")
    assert re.search(r"sbatch refused the doctor's job: .*nvalid feature specification", check.found)


@pytest.mark.slurm
@pytest.mark.timeout(240)
@pytest.mark.usefixtures("devcluster")
def test_a_package_that_the_node_cannot_import_is_a_problem(tmp_path: Path) -> None:
    profile = make_profile(ranks=2, memory_gb=2, environment={**CPU, "PYTHONPATH": str(tmp_path / "broken")})
    broken = tmp_path / "broken" / "deepspeed"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('no such library here')\n", encoding="utf-8")
    checks = send_to_node(profile, tmp_path / "root", Patience(), tell=lambda _: None)
    found = {check.name: check for check in checks}
    # srun ends the other rank with the first that fails, perhaps before it has found it out too
    assert re.match(r"rank (0|1|0, 1): ImportError: no such library here", found["python"].found)
    assert levels(checks)["requeue"] == "warning"


@pytest.mark.slurm
@pytest.mark.timeout(240)
@pytest.mark.usefixtures("devcluster")
def test_ranks_that_do_not_reach_each_other_are_a_problem(tmp_path: Path) -> None:
    profile = make_profile(ranks=2, memory_gb=2, environment={**CPU, "GLOO_SOCKET_IFNAME": "none_such"})
    checks = send_to_node(profile, tmp_path, Patience(), tell=lambda _: None)
    found = {check.name: check for check in checks}
    assert found["process group"].level is Level.PROBLEM
    assert "set NCCL_SOCKET_IFNAME or GLOO_SOCKET_IFNAME" in found["process group"].next
    assert "deepspeed" not in found
