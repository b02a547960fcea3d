"""The local pool, with real processes."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from tests.cluster.trivial_runs import ENTRY, FOLDER, done_tasks, make_plan, run_of
from xstilts_hpc.cluster.local import run_local, slots_of
from xstilts_hpc.cluster.local_progress import LocalProgress
from xstilts_hpc.cluster.profile import Profile
from xstilts_hpc.cluster.schedule import Schedule
from xstilts_hpc.errors import ProfileError
from xstilts_hpc.files import write_json
from xstilts_hpc.lease import hold
from xstilts_hpc.plan import Plan
from xstilts_hpc.run_folder import run_folder

CHECKOUT = FOLDER.parent.parent


def local_profile(**keys: object) -> Profile:
    return Profile.model_validate({"schema": 1, "name": "here", "kind": "local", "gpus_per_node": 0, **keys})


@pytest.fixture(autouse=True)
def _entry_is_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))


def work(plan: Plan, root: Path, **keys: object) -> tuple[int, list[str]]:
    screen = io.StringIO()
    console = Console(file=screen, width=500)
    code = run_local(plan, root, local_profile(**keys), progress=LocalProgress(console), entry=ENTRY)
    return code, screen.getvalue().splitlines()


def names(plan: Plan, tasks: list[str]) -> list[str]:
    by_task = {planned.run.training.task: run_id for run_id, planned in plan.runs.items() if planned.run.training}
    return [by_task[task] for task in tasks]


def test_schedule_takes_children_before_other_parents() -> None:
    plan = make_plan({"a": ["a1", "a2"], "b": ["b1"]})
    schedule = Schedule(list(plan.runs.values()))
    first = schedule.next()
    schedule.completed(first.run.id)
    rest = [schedule.next().run.id for _ in range(3)]
    assert [first.run.id, *rest] == names(plan, ["a", "a1", "a2", "b"])
    assert not schedule.has_next()


def test_schedule_blocks_the_children_of_a_failed_run_only() -> None:
    plan = make_plan({"a": ["a1"], "b": ["b1"]})
    schedule = Schedule(list(plan.runs.values()))
    a, b = schedule.next(), schedule.next()
    assert [child.run.id for child in schedule.failed(a.run.id)] == names(plan, ["a1"])
    schedule.completed(b.run.id)
    assert schedule.next().run.id == names(plan, ["b1"])[0]


def test_pool_does_everything_depth_first_and_says_so(tmp_path: Path) -> None:
    plan = make_plan({"a": ["a1", "a2"], "b": ["b1"]}, ["none"])
    code, lines = work(plan, tmp_path, slots=1, threads=3)
    assert code == 0
    assert plan.done(tmp_path) == set(plan.runs)
    assert [done["task"] for done in done_tasks(tmp_path)] == ["a", "a1", "a2", "b", "b1", "none"]
    assert lines[0].startswith("[1/6] completed a_full_s0 (")
    assert {done["environment"]["OMP_NUM_THREADS"] for done in done_tasks(tmp_path)} == {"3"}
    assert os.environ.get("OMP_NUM_THREADS") != "3"
    log = tmp_path / "runs" / names(plan, ["a"])[0] / "log.txt"
    assert log.read_text(encoding="utf-8") == "a line of output\n"


def test_second_pool_does_only_what_is_missing(tmp_path: Path) -> None:
    plan = make_plan({"a": ["a1"]})
    work(plan, tmp_path, slots=1)
    assert work(plan, tmp_path, slots=1) == (0, [])
    assert len(done_tasks(tmp_path)) == 2


def test_failure_blocks_the_children_and_gives_exit_code_4(tmp_path: Path) -> None:
    plan = make_plan({"a": ["a1", "a2"], "b": ["b1"]})
    write_json(tmp_path / "orders.json", {"fail": ["a"]})
    code, lines = work(plan, tmp_path, slots=1)
    assert code == 4
    assert plan.done(tmp_path) == set(names(plan, ["b", "b1"]))
    assert lines[0].startswith("[1/5] failed a_full_s0: exit code 4: as ordered (/")
    assert lines[1:3] == [
        "[2/5] blocked a1_full_s0_after_a_full_s0: its parent failed",
        "[3/5] blocked a2_full_s0_after_a_full_s0: its parent failed",
    ]


def test_a_run_that_another_process_executes_has_not_failed_and_its_children_wait(tmp_path: Path) -> None:
    plan = make_plan({"a": ["a1"]}, ["b"])
    write_json(tmp_path / "orders.json", {"lease": ["a"]})
    with hold(run_folder(tmp_path, run_of(plan, "a")).lease) as lease:
        code, lines = work(plan, tmp_path, slots=1)
    assert (code, plan.done(tmp_path)) == (4, {run_of(plan, "b")})
    assert lines[:2] == [
        f"[1/3] running a_full_s0: another process executes it, {lease.holder}",
        "[2/3] waiting a1_full_s0_after_a_full_s0: its parent is executed by another process",
    ]
    assert not run_folder(tmp_path, run_of(plan, "a")).log.read_bytes()


def test_slots_run_side_by_side(tmp_path: Path) -> None:
    plan = make_plan({}, ["a", "b"])
    write_json(tmp_path / "orders.json", {"meet": ["a", "b"]})
    work(plan, tmp_path, slots=2)
    a, b = done_tasks(tmp_path)
    assert max(a["start"], b["start"]) < min(a["end"], b["end"])


def test_ranks_get_their_numbers(tmp_path: Path) -> None:
    plan = make_plan({}, ["a"])
    code, _ = work(plan, tmp_path, slots=1, ranks=2)
    ranks = sorted((d["RANK"], d["LOCAL_RANK"], d["WORLD_SIZE"], d["MASTER_ADDR"]) for d in done_tasks(tmp_path))
    assert (code, ranks) == (0, [("0", "0", "2", "127.0.0.1"), ("1", "1", "2", "127.0.0.1")])
    assert len({d["environment"]["MASTER_PORT"] for d in done_tasks(tmp_path)}) == 1


def begin(root: Path) -> "subprocess.Popen[str]":
    """Begin a pool in a process group of its own, as a shell begins a command."""
    program = (
        "from tests.cluster.test_local import *\n"
        f"code, lines = work(make_plan({{'a': ['a1']}}), Path({str(root)!r}), slots=1)\n"
        "print(code, lines)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": f"{root}:{FOLDER}:{CHECKOUT}"},
    )  # fmt: skip


def test_ctrl_c_stops_the_pool_and_its_runs(tmp_path: Path) -> None:
    plan = make_plan({"a": ["a1"]})
    write_json(tmp_path / "orders.json", {"sleep": {"a": 60}})
    pool = begin(tmp_path)
    log = tmp_path / "runs" / next(iter(plan.runs)) / "log.txt"
    while not log.is_file():
        time.sleep(0.05)
    time.sleep(1)
    pool.send_signal(signal.SIGINT)
    output, _ = pool.communicate(timeout=100)
    assert output == "4 ['[1/2] interrupted a_full_s0: submitted again, it goes on from what it saved']\n"
    assert plan.done(tmp_path) == set()


def test_ctrl_c_while_the_packages_are_imported_is_an_interruption_too(tmp_path: Path) -> None:
    slow = "import pathlib, time\npathlib.Path(__file__ + '.seen').touch()\ntime.sleep(3)\n"
    (tmp_path / "trivial_runs.py").write_text(slow, encoding="utf-8")
    write_json(tmp_path / "orders.json", {"sleep": {"a": 60}})
    pool = begin(tmp_path)
    while not (tmp_path / "trivial_runs.py.seen").is_file():
        assert pool.poll() is None, pool.communicate()
        time.sleep(0.05)
    os.killpg(pool.pid, signal.SIGINT)
    output, _ = pool.communicate(timeout=60)
    assert output == "4 ['[1/2] interrupted a_full_s0: submitted again, it goes on from what it saved']\n"


def test_gpus_are_shared_out_by_ranks() -> None:
    assert slots_of(local_profile(gpus_per_node=None, ranks=2), ["0", "1", "2", "3"]) == [["0", "1"], ["2", "3"]]
    assert slots_of(local_profile(gpus_per_node=1), ["5", "6"]) == [["5"]]
    two_each = local_profile(gpus_per_node=None, runs_per_gpu=2)
    assert slots_of(two_each, ["0", "1"]) == [["0"], ["1"], ["0"], ["1"]]
    assert slots_of(two_each.model_copy(update={"slots": 3}), ["0", "1"]) == [["0"], ["1"], ["0"]]
    assert slots_of(local_profile(gpus_per_node=None, slots=2), []) == [[], []]
    with pytest.raises(ProfileError, match="3 ranks need as many GPUs, here: 2"):
        slots_of(local_profile(gpus_per_node=None, ranks=3), ["0", "1"])


def test_runs_of_a_profile_without_gpus_see_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    work(make_plan({}, ["a"]), tmp_path, slots=1, gpus_per_node=0)
    (done,) = done_tasks(tmp_path)
    assert (done["environment"]["CUDA_VISIBLE_DEVICES"], done["environment"]["DS_ACCELERATOR"]) == ("", "cpu")


def test_pool_refuses_a_slurm_profile(tmp_path: Path) -> None:
    profile = local_profile(kind="slurm", time_min=1)
    with pytest.raises(ProfileError, match="of kind slurm; running here needs one of kind local"):
        run_local(make_plan({}, ["a"]), tmp_path, profile, progress=LocalProgress(Console()), entry=ENTRY)


def test_bar_is_drawn_on_a_terminal(tmp_path: Path) -> None:
    screen = io.StringIO()
    progress = LocalProgress(Console(file=screen, force_terminal=True, width=100))
    run_local(make_plan({}, ["a"]), tmp_path, local_profile(slots=1), progress=progress, entry=ENTRY)
    assert "completed a_full_s0" in screen.getvalue() and "1/1" in screen.getvalue()
