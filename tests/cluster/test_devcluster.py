"""The development cluster: its texts without Slurm, its behaviour with a real one."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.cluster.programs import require_programs
from tests.waiting import wait_until
from xstilts_hpc.cluster import devcluster_daemons
from xstilts_hpc.cluster.devcluster import ClusterSettings, DevCluster, DevClusterError
from xstilts_hpc.cluster.devcluster_files import cgroup_conf, gres_conf, slurm_conf, slurmdbd_conf
from xstilts_hpc.cluster.devcluster_processes import Process, alive, end, identify, open_files
from xstilts_hpc.cluster.devcluster_settings import node_name, ports, settings_from_json, settings_to_json

SETTINGS = ClusterSettings(folder=Path("/dev/shm/x"), nodes=2, gpus=4, first_job_id=77)


def test_clusters_that_start_together_have_job_ids_of_their_own() -> None:
    first = {ClusterSettings().first_job_id for _ in range(10)}
    assert len(first) == 10


def slurm(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def submit(*options: str, wrap: str) -> str:
    return slurm("sbatch", "--parsable", "--output=/dev/null", *options, f"--wrap={wrap}")


def job_states(job: str) -> list[str]:
    return slurm("squeue", "-h", "-r", "-t", "all", "-j", job, "-o", "%T").splitlines()


def begun_by_job(pids: Path) -> list[Process]:
    """Wait until a job has written its pids, and return its processes."""
    wait_until(lambda: pids.exists() and pids.read_text().endswith("\n"), "the pids of a job")
    return [identify(int(pid)) for pid in pids.read_text().split()]


def listening_addresses(pids: set[int]) -> set[tuple[str, int]]:
    """Return the (address, port) pairs that these processes listen on, from /proc/net/tcp and tcp6."""
    ours = set().union(*(open_files(pid) for pid in pids))
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    found = [row[1].split(":") for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in ours]
    return {(address, int(port, 16)) for address, port in found}


def pids_of(cluster: DevCluster) -> set[int]:
    return {process.pid for process in cluster.processes().values()}


def test_node_names_are_loopback_addresses_to_getaddrinfo() -> None:
    assert [node_name(1), node_name(10)] == ["0x7f000001", "0x7f00000a"]
    assert socket.getaddrinfo(node_name(10), 80, socket.AF_INET)[0][4] == ("127.0.0.10", 80)


def test_slurm_conf_names_nodes_ports_and_partitions() -> None:
    text = slurm_conf(SETTINGS, base_port=17000, user="ann", host="vm")
    assert "SlurmctldHost=vm(127.0.0.1)\nSlurmctldPort=17000\n" in text
    assert "NodeName=0x7f000002 NodeHostname=vm NodeAddr=127.0.0.1 Port=17012 CPUs=8 " in text
    assert "PartitionName=scavenge Nodes=0x7f000001,0x7f000002 PriorityTier=1 PreemptMode=REQUEUE GraceTime=15 " in text
    assert "AuthInfo=socket=/dev/shm/x/sock/munge.sock,cred_expire=5\n" in text
    assert {"KillWait=2", "FirstJobId=77", "MaxArraySize=1001", "SlurmUser=ann"} <= set(text.splitlines())
    assert "AccountingStorageType=accounting_storage/none\n" in text


def test_accounting_adds_slurmdbd_on_the_second_port() -> None:
    settings = ClusterSettings(folder=Path("/dev/shm/x"), accounting=True)
    assert "AccountingStoragePort=17001\n" in slurm_conf(settings, base_port=17000, user="ann", host="vm")
    assert "DbdPort=17001\n" in slurmdbd_conf(settings, base_port=17000, user="ann")
    assert ports(settings, 17000) == (17000, 17001, 17011, 17012)


def test_extra_lines_reach_slurm_conf() -> None:
    settings = ClusterSettings(folder=Path("/dev/shm/x"), extra=("JobAcctGatherParams=OverMemoryKill",))
    assert "\nJobAcctGatherParams=OverMemoryKill\n" in slurm_conf(settings, base_port=1, user="ann", host="vm")


def test_gpus_are_the_same_files_on_every_node() -> None:
    assert gres_conf(SETTINGS) == "NodeName=0x7f000001,0x7f000002 Name=gpu File=/dev/shm/x/dev/gpu[0-3]\n"
    assert gres_conf(ClusterSettings(gpus=0)) == ""


def test_newer_slurm_is_told_to_leave_cgroups_alone() -> None:
    assert cgroup_conf((22, 5)) == "CgroupAutomount=no\n"
    assert cgroup_conf((23, 11)) == "CgroupPlugin=disabled\n"


def test_settings_survive_json() -> None:
    settings = ClusterSettings(folder=Path("/dev/shm/x"), nodes=3, extra=("A=1",))
    assert settings_from_json(settings_to_json(settings)) == settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (ClusterSettings(nodes=0), "nodes must be 1 to 64, got 0"),
        (ClusterSettings(cred_expire_s=3), "cred_expire_s must be at least 5"),
        (ClusterSettings(folder=Path("/dev/shm/" + "x" * 80)), "at most 55 characters"),
        (ClusterSettings(folder=Path("/dev/shm/a b")), "letters, digits"),
    ],
)
def test_unusable_settings_are_refused_before_anything_starts(settings: ClusterSettings, message: str) -> None:
    with pytest.raises(DevClusterError, match=message):
        DevCluster(settings).start()


def test_a_folder_with_other_things_in_it_is_refused(cluster_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devcluster_daemons, "SLURM_BINARIES", ())
    (cluster_folder / "thesis.tex").touch()
    with pytest.raises(DevClusterError, match="is not empty and holds no cluster"):
        DevCluster(ClusterSettings(folder=cluster_folder)).start()


def test_a_reused_pid_is_not_ended() -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        process = identify(other.pid)
        end(Process(process.pid, process.start_ticks - 1))
        assert alive(process)
        end(process)
        assert other.wait() == -signal.SIGTERM


@pytest.mark.slurm
def test_nodes_come_up_idle(devcluster: DevCluster) -> None:
    assert slurm("sinfo", "-h", "-p", "gpu", "-N", "-o", "%N %T %c %G").splitlines() == [
        "0x7f000001 idle 8 gpu:4",
        "0x7f000002 idle 8 gpu:4",
    ]


@pytest.mark.slurm
def test_srun_reaches_both_nodes(devcluster: DevCluster) -> None:
    nodes = slurm("srun", "-N2", "--ntasks-per-node=2", "sh", "-c", "echo $SLURMD_NODENAME").split()
    assert sorted(nodes) == ["0x7f000001"] * 2 + ["0x7f000002"] * 2


@pytest.mark.slurm
def test_array_elements_wait_for_their_own_parent(devcluster: DevCluster, tmp_path: Path) -> None:
    parent = submit("--array=0-3", wrap=f"touch {tmp_path}/parent_$SLURM_ARRAY_TASK_ID")
    child_command = f"test -e {tmp_path}/parent_$SLURM_ARRAY_TASK_ID && touch {tmp_path}/child_$SLURM_ARRAY_TASK_ID"
    child = submit("--array=0-3", f"--dependency=aftercorr:{parent}", wrap=child_command)
    wait_until(lambda: job_states(child) == ["COMPLETED"] * 4, "four ends")
    assert sorted(path.name for path in tmp_path.glob("child_*")) == ["child_0", "child_1", "child_2", "child_3"]


@pytest.mark.slurm
def test_pretended_gpus_are_distinct_for_each_task(devcluster: DevCluster) -> None:
    devices = slurm("srun", "-N1", "-n4", "--gpus-per-task=1", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES").split()
    assert sorted(devices) == ["0", "1", "2", "3"]


@pytest.mark.slurm
def test_scancel_ends_a_running_job(devcluster: DevCluster) -> None:
    job = submit(wrap="sleep 300")
    wait_until(lambda: job_states(job) == ["RUNNING"], "a job that runs")
    slurm("scancel", job)
    wait_until(lambda: job_states(job) == ["CANCELLED"], "a cancelled job")


@pytest.mark.slurm
def test_the_job_of_a_dead_node_is_requeued_and_its_processes_are_gone(devcluster: DevCluster, tmp_path: Path) -> None:
    job = submit("-w", node_name(2), wrap=f"setsid sleep 300 & echo $! $$ > {tmp_path}/pids; sleep 300")
    first = begun_by_job(tmp_path / "pids")
    devcluster.kill_node(2)
    assert not any(alive(process) for process in first)
    assert job_states(job) == ["PENDING"]
    devcluster.revive_node(2)
    wait_until(lambda: job_states(job) == ["RUNNING"], "a job that runs")
    assert "Restarts=1" in slurm("scontrol", "show", "job", job)
    slurm("scancel", job)


@pytest.mark.slurm
def test_nothing_on_a_dying_node_acts_on_the_death_of_something_else(devcluster: DevCluster, tmp_path: Path) -> None:
    step = f"srun sh -c 'echo $$ > {tmp_path}/pids; sleep 300'"
    job = submit("-w", node_name(2), wrap=f"trap 'touch {tmp_path}/acted' EXIT; {step}")
    begun_by_job(tmp_path / "pids")
    devcluster.kill_node(2)
    slurm("scancel", job)
    devcluster.revive_node(2)
    assert not (tmp_path / "acted").exists()


@pytest.mark.slurm
def test_killing_a_dead_node_is_refused(devcluster: DevCluster) -> None:
    devcluster.kill_node(1)
    with pytest.raises(DevClusterError, match="node 1 is dead already"):
        devcluster.kill_node(1)
    devcluster.revive_node(1)
    with pytest.raises(DevClusterError, match="node must be 1 to 2, got 3"):
        devcluster.kill_node(3)


@pytest.mark.slurm
def test_starting_twice_changes_nothing(devcluster: DevCluster) -> None:
    before = devcluster.processes()
    assert DevCluster(devcluster.settings).start() is False
    assert devcluster.processes() == before


@pytest.mark.slurm
def test_everything_listens_on_loopback_only(devcluster: DevCluster) -> None:
    addresses = listening_addresses(pids_of(devcluster))
    assert {address for address, _ in addresses} == {"0100007F"}  # 127.0.0.1, as the kernel writes it
    base, _, *nodes = devcluster.ports()
    assert {port for _, port in addresses} == {base, *nodes}


@pytest.mark.slurm
def test_two_clusters_live_side_by_side_and_stop_leaves_nothing(
    devcluster: DevCluster, cluster_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = DevCluster(ClusterSettings(folder=cluster_folder, nodes=1))
    assert other.start() is True
    monkeypatch.setenv("SLURM_CONF", other.environment()["SLURM_CONF"])
    submit(wrap=f"trap '' TERM; echo $$ > {tmp_path}/pids; sleep 300")
    begun = [*begun_by_job(tmp_path / "pids"), *other.processes().values()]
    other.stop()
    assert len(begun) == 4
    assert not any(alive(process) for process in begun)
    assert not other.running() and other.processes() == {}
    assert not any(link.startswith(f"{cluster_folder}/") for link in links_of_all_processes())
    assert not any(is_listening(port) for port in other.ports())
    assert devcluster.running()


def links_of_all_processes() -> set[str]:
    return set().union(*(open_files(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdigit()))


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slurm
def test_a_failed_start_names_the_daemon_and_leaves_nothing(devcluster: DevCluster, cluster_folder: Path) -> None:
    broken = DevCluster(ClusterSettings(folder=cluster_folder, extra=("NoSuchSetting=1",)))
    with pytest.raises(DevClusterError, match=r"slurmctld did not come up: .*NoSuchSetting"):
        broken.start()
    assert broken.processes() == {}


@pytest.mark.slurm
def test_a_cluster_that_lost_its_controller_starts_again(devcluster: DevCluster, cluster_folder: Path) -> None:
    cluster = DevCluster(ClusterSettings(folder=cluster_folder, nodes=1))
    cluster.start()
    first_ports = cluster.ports()
    os.kill(cluster.processes()["slurmctld"].pid, signal.SIGKILL)
    wait_until(lambda: not cluster.running(), "the end of the cluster")
    assert cluster.start() is True
    assert cluster.ports() == first_ports
    cluster.stop()


@pytest.mark.slurm
def test_accounting_remembers_finished_jobs(
    devcluster: DevCluster, cluster_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_programs(accounting=True)
    cluster = DevCluster(ClusterSettings(folder=cluster_folder, nodes=1, accounting=True))
    cluster.start()
    monkeypatch.setenv("SLURM_CONF", cluster.environment()["SLURM_CONF"])
    job = submit(wrap="exit 3")
    wait_until(
        lambda: slurm("sacct", "-X", "-n", "-P", "-j", job, "-o", "State,ExitCode") == "FAILED|3:0", "the exit code"
    )
    cluster.stop()


@pytest.mark.slurm
def test_jobs_outlive_a_restart_of_the_controller(devcluster: DevCluster, tmp_path: Path) -> None:
    job = submit(wrap=f"echo $$ > {tmp_path}/pids; sleep 300")
    (process,) = begun_by_job(tmp_path / "pids")
    before = devcluster.processes()["slurmctld"]
    devcluster.stop_controller()
    assert not alive(before) and not devcluster.running()
    devcluster.start_controller()
    assert devcluster.running()
    assert alive(process) and job_states(job) == ["RUNNING"]
    slurm("scancel", job)
