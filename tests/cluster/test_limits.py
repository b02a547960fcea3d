"""The limits of a cluster: from what Slurm's commands print, and from a real Slurm."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cluster.programs import require_programs
from tests.cluster.trivial_runs import make_profile
from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.devcluster import ClusterSettings, DevCluster
from xstilts_hpc.cluster.limits import Facts, Limits, limits_of, minutes, queued_now, read_limits

CONFIG = {
    "MaxArraySize": "4001",
    "MaxJobCount": "20000",
    "SLURM_VERSION": "24.05.1",
    "JobRequeue": "0",
    "AccountingStorageType": "accounting_storage/slurmdbd",
    "AccountingStorageEnforce": "associations,limits,qos",
}
GPU = {"PartitionName": "gpu", "MaxTime": "2-00:00:00", "QoS": "short"}


def association(**changes: str) -> dict[str, str]:
    none = dict.fromkeys(("partition", "qos", "defaultqos", "maxsubmit", "grpsubmit", "maxwall"), "")
    return {**none, "account": "a", **changes}


def quality(name: str, **changes: str) -> dict[str, str]:
    return {**dict.fromkeys(("maxsubmitpu", "maxsubmitpa", "grpsubmit", "maxwall"), ""), "name": name, **changes}


def found(
    accounts: tuple[Sequence[Facts], Sequence[Facts]] = ((), ()), config: Facts = CONFIG, **keys: object
) -> Limits:
    return limits_of(make_profile(**keys), config, GPU, accounts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2-00:00:00", 2880),
        ("1-12", 2160),
        ("02:30:00", 150),
        ("30:00", 30),
        ("45", 45),
        ("UNLIMITED", 0),
        ("infinite", 0),
        ("", 0),
    ],
)
def test_times_of_slurm_are_minutes(text: str, expected: int) -> None:
    assert minutes(text) == expected


def test_limits_come_from_the_configuration_and_the_partition() -> None:
    assert found() == Limits(4001, 0, 20000, 2880, "24.05.1", accounting=True, requeue=False)


def test_the_smallest_limit_of_association_and_qos_holds() -> None:
    rows = [association(maxsubmit="500", defaultqos="normal"), association(account="b", maxsubmit="7")]
    qos = [
        quality("normal", maxsubmitpu="300"),
        quality("other", maxsubmitpu="2"),
        quality("short", maxwall="04:00:00"),
    ]
    assert found((rows, qos), account="a").max_submit == 300
    assert found((rows, qos), account="a").max_time_min == 240  # the partition's own QOS
    assert found((rows, qos), account="a", qos="other").max_submit == 2
    assert found((rows, qos), account="b").max_submit == 7


def test_an_association_with_another_partition_does_not_bound() -> None:
    assert found(([association(partition="cpu", maxsubmit="3")], [])).max_submit == 0


def test_limits_that_are_not_enforced_do_not_bound() -> None:
    config = {**CONFIG, "AccountingStorageEnforce": "associations"}
    assert found(([association(maxsubmit="3")], []), config).max_submit == 0


@pytest.mark.slurm
@pytest.mark.timeout(120)
def test_limits_of_a_real_cluster_without_accounting(devcluster: DevCluster) -> None:
    limits = read_limits(make_profile())
    assert limits.version.count(".") >= 1
    assert limits == Limits(devcluster.settings.max_array_size, 0, 10_000, 0, limits.version, False, True)


@pytest.mark.slurm
@pytest.mark.timeout(120)
def test_queued_elements_of_an_array_are_counted_one_by_one(devcluster: DevCluster) -> None:
    before = queued_now()
    job = slurm.answer(["sbatch", "--parsable", "--hold", "--array=0-6%2", "-o", "/dev/null", "--wrap", "true"]).strip()
    try:
        assert queued_now() == before + 7
    finally:
        slurm.cancel([job])


@pytest.mark.slurm
@pytest.mark.timeout(180)
def test_limits_of_a_real_cluster_with_accounting(cluster_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_programs(accounting=True)
    cluster = DevCluster(
        ClusterSettings(folder=cluster_folder, accounting=True, extra=("AccountingStorageEnforce=associations,limits",))
    )
    monkeypatch.setenv("SLURM_CONF", cluster.environment()["SLURM_CONF"])
    cluster.start()
    try:
        limit = ["MaxSubmitJobsPerUser=40", "MaxWall=02:00:00"]
        slurm.answer(["sacctmgr", "-i", "modify", "qos", "normal", "set", *limit])
        limits = read_limits(make_profile())
    finally:
        cluster.stop()
    assert (limits.max_submit, limits.max_time_min, limits.accounting) == (40, 120, True)
