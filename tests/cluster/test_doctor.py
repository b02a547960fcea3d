"""The doctor's checks: small judgements of facts given by hand, and the command that prints them."""

import json
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from typer.testing import CliRunner

from tests.cluster.trivial_runs import make_profile
from tests.tiny import grid_text
from xstilts_hpc.cli import app
from xstilts_hpc.cluster.devcluster import DevCluster
from xstilts_hpc.cluster.doctor_check import Area, Check, Level, exit_code, fine, problem, warning
from xstilts_hpc.cluster.doctor_facts import Cluster, gpus_in, nodes_in
from xstilts_hpc.cluster.doctor_grid import diagnose
from xstilts_hpc.cluster.doctor_machine import check_offline, check_packages, check_tested
from xstilts_hpc.cluster.doctor_root import (
    Need,
    Place,
    Room,
    check_file_system,
    check_operations,
    check_space,
    look_at,
    mount_of,
    quota_in,
)
from xstilts_hpc.cluster.doctor_slurm import (
    check_account,
    check_constraint,
    check_limits,
    check_partition,
    check_preemption,
    check_qos,
    check_requeue,
    check_shape,
    check_time,
)
from xstilts_hpc.cluster.limits import Limits
from xstilts_hpc.forecast import Forecast

NODES = """gpu|idle|3|64|515000|gpu:a100:4(S:0-1)|a100,ib
gpu|drained*|1|64|515000|gpu:a100:4|a100,ib
cpu|mixed|8|48|190000|(null)|(null)
old|down*|2|16|64000|gpu:2|(null)
"""
PARTITIONS = {
    "gpu": {"PartitionName": "gpu", "Default": "YES", "State": "UP", "PriorityTier": "10", "PreemptMode": "OFF"},
    "cpu": {"PartitionName": "cpu", "State": "DOWN", "PriorityTier": "5", "PreemptMode": "REQUEUE", "GraceTime": "45"},
    "old": {"PartitionName": "old", "State": "UP", "PriorityTier": "1", "PreemptMode": "REQUEUE", "GraceTime": "0"},
}
USER = {"account": "bio", "partition": "", "qos": "normal,long", "defaultqos": "normal", "maxsubmit": ""}


def cluster(**config: str) -> Cluster:
    prio = {"PreemptType": "preempt/partition_prio", "PreemptMode": "REQUEUE", **config}
    names = ("normal", "long", "vip")
    return Cluster(prio, PARTITIONS, nodes_in(NODES), [USER], [{"name": name, "preemptmode": ""} for name in names])


def told(check: Check, level: Level, *words: str) -> bool:
    text = f"{check.found} -> {check.next}"
    assert check.level is level, text
    assert all(word in text for word in words), text
    return True


@pytest.mark.parametrize(
    ("gres", "expected"),
    [
        ("gpu:a100:4(S:0-1),gpu:v100:2,nvme:1", {"a100": 4, "v100": 2}),
        ("lustre:1,gpu:4(S:0)", {"": 4}),
        ("gpu:nvidia_h100-80gb:8", {"nvidia_h100-80gb": 8}),
        ("gpu", {"": 1}),
        ("(null)", {}),
    ],
)
def test_gpus_are_counted_by_type(gres: str, expected: dict[str, int]) -> None:
    assert gpus_in(gres) == expected


def test_mistyped_names_are_problems_that_name_the_right_ones() -> None:
    assert told(check_partition(make_profile(partition="gqu"), cluster()), Level.PROBLEM, "did you mean 'gpu'?")
    assert told(check_account(make_profile(account="bi0"), cluster()), Level.PROBLEM, "did you mean 'bio'?")
    assert told(check_qos(make_profile(qos="lonk"), cluster()), Level.PROBLEM, "did you mean 'long'?")
    assert told(check_qos(make_profile(qos="vip"), cluster()), Level.PROBLEM, "not allowed")
    assert told(check_constraint(make_profile(constraint="a100&ibb"), cluster()), Level.PROBLEM, "did you mean 'ib'?")


def test_right_names_are_fine() -> None:
    profile = make_profile(partition="", account="bio", qos="long", constraint="[a100*1&ib*2]|a100")
    checks = (check_partition, check_account, check_qos, check_constraint)
    assert [check(profile, cluster()).level for check in checks] == [Level.OK] * 4
    assert "3 of 4 nodes usable" in check_partition(profile, cluster()).found


def test_a_partition_that_is_down_or_has_no_usable_node_is_a_warning() -> None:
    assert told(check_partition(make_profile(partition="cpu"), cluster()), Level.WARNING, "cpu is DOWN")
    assert told(check_partition(make_profile(partition="old"), cluster()), Level.WARNING, "0 of 2 nodes", "sinfo -R")


@pytest.mark.parametrize(
    ("keys", "level", "words"),
    [
        ({"gpus_per_node": 4, "gpu_type": "a100", "gpu_request": "gres"}, Level.OK, "4 nodes, 3 of"),
        ({"gpus_per_node": 8, "gpu_request": "gres"}, Level.PROBLEM, "lacks GPUs (4)"),
        ({"gpus_per_node": 4, "gpu_type": "h100", "gpu_request": "gres"}, Level.PROBLEM, "lacks h100 GPUs (0)"),
        ({"ranks": 3, "cpus_per_rank": 32}, Level.PROBLEM, "lacks cpus (64)"),
        ({"memory_gb": 600}, Level.PROBLEM, "lacks memory (515000 MB of 614400)"),
        ({"nodes": 5, "ranks": 5}, Level.PROBLEM, "only 4 fit"),
        ({"nodes": 4, "ranks": 4}, Level.WARNING, "3 of them usable"),
    ],
)  # fmt: skip
def test_what_a_run_asks_of_a_node_is_compared_with_the_nodes(keys: dict[str, Any], level: Level, words: str) -> None:
    assert told(check_shape(make_profile(**keys), cluster()), level, words)


def test_time_limits_are_compared_with_those_of_the_partition() -> None:
    limits = Limits(max_time_min=1440)
    assert told(check_time(make_profile(time_min=1441), limits), Level.PROBLEM, "set time_min to 1440")
    assert told(check_time(make_profile(time_min=2, signal_lead_s=120), limits), Level.PROBLEM, "runs do nothing")
    assert told(check_time(make_profile(time_min=5, signal_lead_s=120), limits), Level.WARNING, "a quarter")
    assert told(check_time(make_profile(time_min=1440), limits), Level.OK, "1440 min")


def test_what_a_profile_hands_over_is_compared_with_what_may_be_queued() -> None:
    few = Limits(max_submit=8)
    assert told(check_limits(make_profile(max_parallel=8), few), Level.WARNING, "lower max_parallel to 7")
    assert told(check_limits(make_profile(max_submit=9), few), Level.WARNING, "set max_submit to 8 or less")
    assert told(check_limits(make_profile(max_parallel=7), few), Level.OK, "1001 elements", "8 of yours")


def test_preemption_is_told_by_what_a_run_loses() -> None:
    low, lower = make_profile(partition="cpu", signal_lead_s=60), make_profile(partition="old")
    user = {"SlurmctldParameters": "enable_configless,preempt_send_user_signal"}
    assert told(check_preemption(make_profile(), cluster()), Level.OK, "off")
    assert told(check_preemption(low, cluster(**user)), Level.OK, "USR2 comes 45 s before the end")
    assert told(check_preemption(low, cluster()), Level.OK, "TERM (preempt_send_user_signal is not set)")
    assert told(check_preemption(low, cluster(PreemptParameters="send_user_signal")), Level.OK, "USR2")
    assert told(check_preemption(lower, cluster()), Level.WARNING, "GraceTime 0", "checkpoint_min (15)")
    assert told(check_preemption(lower, cluster(PreemptType="preempt/none")), Level.OK, "off")


def test_preemption_by_qos_takes_the_mode_of_the_qos() -> None:
    found = cluster(PreemptType="preempt/qos", PreemptMode="CANCEL")
    found.qualities[0].update(preemptmode="requeue", gracetime="00:01:30")  # type: ignore[attr-defined]
    assert told(check_preemption(make_profile(), found), Level.OK, "90 s before the end")
    assert told(check_preemption(make_profile(qos="long"), found), Level.WARNING, "CANCEL", "ended for good")


def test_requeue_is_told_with_its_delay() -> None:
    plain = cluster(AuthInfo="socket=/run/x,cred_expire=60", JobRequeue="0")
    assert told(check_requeue(make_profile(), plain), Level.OK, "after 60 s", "each run asks for it")
    assert told(check_requeue(make_profile(slurm={"no-requeue": True}), plain), Level.WARNING, "remove no-requeue")


def test_the_longest_mount_point_tells_the_file_system() -> None:
    mounts = "a / ext4 rw 0 0\nb /gpfs gpfs rw 0 0\nc /gpfs/my\\040home nfs4 rw 0 0\nd /gp tmpfs rw 0 0\n"
    assert mount_of(Path("/gpfs/my home/x"), mounts) == ("/gpfs/my home", "nfs4")
    assert mount_of(Path("/gpfs/x"), mounts) == ("/gpfs", "gpfs")
    assert mount_of(Path("/gpfsx"), mounts) == ("/", "ext4")


def test_quotas_leave_what_is_under_the_smaller_limit() -> None:
    lustre = "/lustre  1000 5000 6000 - 40* 30 50 6d3h\n"
    network = (
        "Disk quotas for user x (uid 1): \n  Filesystem blocks quota limit grace files quota limit grace\n"
        "nas:/home 12 0 100 7 0 0\n"
    )
    assert quota_in(lustre, "lfs quota") == [Room("lfs quota", 4000 * 1024, 0)]
    assert quota_in(network, "quota -w") == [Room("quota -w", 88 * 1024, -1)]


def place(*rooms: Room, path: str = "/gpfs/x", kind: str = "gpfs", failures: tuple[str, ...] = ()) -> Place:
    return Place(Path(path), kind, "/gpfs", rooms, failures)


def test_a_grid_that_does_not_fit_the_quota_is_a_problem() -> None:
    need = Need(100, Forecast(1.0, 50 * 10**9, 2 * 10**9, 9_000, 1.0, 0))
    disk, quota = Room("the file system", 10**15, -1), Room("quota", 75 * 10**9, 20_000)
    profile = make_profile(max_parallel=4)
    assert told(check_space(profile, place(disk, quota), need), Level.OK, "58 GB", "100 runs, 4 at once")
    assert told(check_space(make_profile(max_parallel=10), place(disk, quota), need), Level.PROBLEM, "larger quota")
    assert told(check_space(profile, place(disk, Room("quota", -1, 9_500)), need), Level.PROBLEM, "9,000 files")
    assert told(check_space(profile, place(Room("x", -1, -1)), need), Level.OK, "any number of bytes")


def test_a_root_of_one_node_is_a_warning_for_a_cluster_only() -> None:
    slurm, local = make_profile(), make_profile(kind="local")
    memory = place(path="/dev/shm/x", kind="tmpfs")
    assert told(check_file_system(slurm, place()), Level.OK, "gpfs")
    assert told(check_file_system(slurm, memory), Level.WARNING, "/dev/shm of its own")
    assert told(check_file_system(slurm, place(kind="ext4")), Level.WARNING, "a disk of this machine")
    assert check_file_system(local, memory).level is Level.OK


def test_a_real_folder_is_probed_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    found = look_at(tmp_path / "root" / "not yet" / "there")
    assert (found.path, found.failures) == (tmp_path / "root" / "not yet" / "there", ())
    assert found.rooms[0].bytes_left > 0
    assert list((tmp_path / "root").iterdir()) == []


def test_a_root_that_everybody_may_write_is_a_problem(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert told(check_operations(look_at(tmp_path)), Level.PROBLEM, "who may write", "chmod")


def test_packages_are_compared_with_what_is_declared_and_tested() -> None:
    have = {"torch": "2.5.1+cu124", "numpy": "2.4.6"}.get
    wanted = [Requirement("torch>=2.6"), Requirement("numpy>=2"), Requirement("h5py")]
    found = check_packages(wanted, lambda name: have(name) or "")
    assert told(found, Level.PROBLEM, "torch is 2.5.1+cu124, wanted >=2.6", "h5py is missing")
    assert check_packages(wanted[1:2], lambda _: "2.4.6").level is Level.OK
    assert told(check_tested({"numpy": "2.4.7"}, lambda _: "2.4.6"), Level.WARNING, "numpy 2.4.6 (tested 2.4.7)")
    assert check_tested({"torch": "2.13.0"}, lambda _: "2.13.0+cu128").level is Level.OK


def test_a_profile_that_goes_online_is_a_warning() -> None:
    assert check_offline(make_profile()).level is Level.OK
    assert told(check_offline(make_profile(environment={"HF_HUB_OFFLINE": "0"})), Level.WARNING, "hang on nodes")


def test_a_grid_whose_data_and_model_are_here_is_fine(tiny_root: Path) -> None:
    (tiny_root / "grid.yaml").write_text(grid_text(), encoding="utf-8")
    found = diagnose(tiny_root / "grid.yaml", tiny_root)
    assert [(check.name, check.level) for check in found.checks] == [(n, Level.OK) for n in ("data", "model", "plan")]
    assert found.need and found.need.runs > 0


def test_each_missing_task_is_named_with_where_to_get_it(tiny_root: Path) -> None:
    (tiny_root / "grid.yaml").write_text(grid_text(), encoding="utf-8")
    for file in (tiny_root / "data" / "MNLI").iterdir():
        file.unlink()
    found = diagnose(tiny_root / "grid.yaml", tiny_root).checks[0]
    assert told(found, Level.PROBLEM, "mnli (training)", "xstilts data fetch mnli")


def test_exit_codes_say_where_the_problem_is() -> None:
    bad, meh = problem("x", "y", "z"), warning("x", "y")
    assert exit_code({Area.CLUSTER: [fine("x", "y"), meh]}) == 0
    assert exit_code({Area.CLUSTER: [bad], Area.ROOT: [bad]}) == 5
    assert exit_code({Area.CLUSTER: [meh], Area.GRID: [bad]}) == 3


def run(*arguments: str | Path) -> tuple[int, list[dict[str, str]]]:
    done = CliRunner().invoke(app, ["doctor", "--json", *map(str, arguments)])
    return done.exit_code, json.loads(done.stdout)


def test_this_machine_alone_is_examined_without_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    code, checks = run("--root", tmp_path)
    assert code == 0
    assert {check["name"]: check["level"] for check in checks if check["area"] == "machine"}["devices"] == "ok"
    shown = CliRunner().invoke(app, ["doctor", "--root", str(tmp_path)]).stdout
    assert shown.endswith(f"next: xstilts submit GRID --profile local --root {tmp_path}\n")


def test_a_cluster_that_is_not_there_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    code, checks = run("--profile", "devcluster", "--root", tmp_path)
    assert code == 5
    assert "Slurm is not installed here" in checks[0]["found"]


@pytest.mark.slurm
@pytest.mark.timeout(120)
@pytest.mark.usefixtures("devcluster")
def test_the_profile_of_the_devcluster_fits_the_devcluster(tmp_path: Path) -> None:
    code, checks = run("--profile", "devcluster", "--root", tmp_path)
    assert code == 0
    assert {check["level"] for check in checks if check["area"] == "cluster"} == {"ok"}


@pytest.mark.slurm
@pytest.mark.timeout(120)
def test_a_profile_of_another_site_does_not(devcluster: DevCluster, tmp_path: Path) -> None:
    code, checks = run("--profile", "example-h100", "--root", tmp_path)
    bad = {check["name"]: check for check in checks if check["level"] == "problem"}
    assert (code, list(bad)) == (5, ["partition"])
    assert bad["partition"]["found"] == "no partition 'h100' here"
    assert devcluster.running()
