"""The verbs of tools/devcluster, and who may use them."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.programs import require_programs
from tests.cluster.test_devcluster import slurm
from xstilts_hpc.cluster import devcluster_daemons
from xstilts_hpc.cluster.devcluster import ClusterSettings, DevCluster
from xstilts_hpc.cluster.devcluster_processes import alive
from xstilts_hpc.cluster.devcluster_verbs import main

TOOL = str(Path(__file__).resolve().parent.parent.parent / "tools" / "devcluster")


def test_missing_binaries_name_the_line_that_installs_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(devcluster_daemons, "SLURM_BINARIES", ("slurmctld-of-nowhere",))
    assert main(["start"]) == 5
    said = capsys.readouterr().err
    assert said.startswith("devcluster: not found on this machine: slurmctld-of-nowhere")
    assert said.endswith("sudo apt-get install -y --no-install-recommends slurmctld slurmd slurm-client munge\n")


def test_verbs_without_a_cluster_say_how_to_start_one(cluster_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env", "--folder", str(cluster_folder)]) == 5
    assert f"start one: tools/devcluster start --folder {cluster_folder}" in capsys.readouterr().err
    assert main(["stop", "--folder", str(cluster_folder)]) == 0


@pytest.mark.slurm
def test_a_crashed_controller_comes_back_by_its_verb(devcluster: DevCluster, cluster_folder: Path) -> None:
    cluster = DevCluster(ClusterSettings(folder=cluster_folder, nodes=1))
    cluster.start()
    before = cluster.processes()["slurmctld"]
    said = slurm(sys.executable, TOOL, "restart-controller", "--crash", "--folder", str(cluster_folder))
    assert said == "slurmctld answers again"
    assert not alive(before) and cluster.running()
    cluster.stop()


@pytest.mark.slurm
def test_an_ordinary_user_starts_a_cluster_with_one_command(devcluster: DevCluster, cluster_folder: Path) -> None:
    require_programs(accounting=True)
    as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "/usr/bin/python3", "-B"]
    command = [*as_nobody, TOOL]
    if os.geteuid() or subprocess.run([*command, "--help"], capture_output=True, check=False).returncode:
        pytest.skip("needs root, to become nobody, and a checkout and a Python 3.11 that nobody may read")
    folder = cluster_folder / "nobody"
    cluster_folder.chmod(0o1777)
    options = ["--folder", str(folder)]
    try:
        assert slurm(*command, "start", "--nodes", "1", *options).startswith("up in ")
        assert "slurmdbd " in slurm(*command, "status", *options)
        assert folder.stat().st_uid == pwd.getpwnam("nobody").pw_uid
    finally:
        assert slurm(*command, "stop", *options) == "stopped"


def test_accounting_is_started_where_its_programs_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: list[ClusterSettings] = []
    monkeypatch.setattr(DevCluster, "start", lambda cluster: bool(wanted.append(cluster.settings)) or True)
    monkeypatch.setattr(devcluster_daemons, "SLURM_BINARIES", ())
    for installed, wish in ((True, "auto"), (False, "auto"), (True, "no"), (False, "yes")):
        monkeypatch.setattr(devcluster_daemons, "ACCOUNTING_BINARIES", () if installed else ("no-such-slurmdbd",))
        assert main(["start", "--accounting", wish, "--max-array-size", "5"]) == 0
    assert [settings.accounting for settings in wanted] == [True, False, False, True]
    assert {settings.max_array_size for settings in wanted} == {5}
