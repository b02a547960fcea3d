"""What the cluster limits: elements of an array, elements of a user in the queue, minutes of a run."""

import getpass
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.profile import Profile
from xstilts_hpc.errors import ClusterError

Facts = Mapping[str, str]
_DEFAULT_ARRAY_SIZE = 1001
_NO_LIMIT = ("", "NONE", "N/A", "UNLIMITED", "INFINITE", "(NULL)")
_ENFORCED = {"all", "limits", "safe"}
_ASSOCIATION = ("account", "partition", "qos", "defaultqos", "maxsubmit", "grpsubmit", "maxwall")
_QOS = ("name", "maxsubmitpu", "maxsubmitpa", "grpsubmit", "maxwall", "preemptmode", "gracetime")
_SUBMIT = ("maxsubmit", "maxsubmitpu", "maxsubmitpa", "grpsubmit")


@dataclass(frozen=True)
class Limits:
    """What bounds a submission; a 0 is no limit that is known.

    `max_array_size` is slurm.conf's: an array holds at most so many elements. `max_submit` elements of this user may
    be queued or running at once, `max_jobs` of all users together. `max_time_min` bounds the time limit of a job in
    the profile's partition. `requeue` says whether a job may start again without asking for it.
    """

    max_array_size: int = _DEFAULT_ARRAY_SIZE
    max_submit: int = 0
    max_jobs: int = 0
    max_time_min: int = 0
    version: str = ""
    accounting: bool = False
    requeue: bool = True


def read_limits(profile: Profile) -> Limits:
    """Ask the cluster for its limits, as they are for a profile; accounting may be off, or not answer."""
    config = configuration()
    partition = partition_of(profile, partitions())
    rows = associations(config)
    bound = qualities(config) if _qos_names(profile, partition, rows) else []
    return limits_of(profile, config, partition, (rows, bound))


def limits_of(
    profile: Profile, config: Facts, partition: Facts, accounts: tuple[Sequence[Facts], Sequence[Facts]]
) -> Limits:
    """Return the limits that follow from slurm.conf, a partition, and (associations of this user, all QOS)."""
    names = _qos_names(profile, partition, accounts[0])
    bounding = [*_associations_of(profile, partition, accounts[0]), *(q for q in accounts[1] if q["name"] in names)]
    bounding = bounding if enforces_limits(config) else []
    times = [minutes(partition.get("MaxTime", "")), *(minutes(row.get("maxwall", "")) for row in bounding)]
    return Limits(
        max_array_size=max(1, _count(config.get("MaxArraySize", "")) or _DEFAULT_ARRAY_SIZE),
        max_submit=_smallest([_count(row.get(name, "")) for row in bounding for name in _SUBMIT]),
        max_jobs=_count(config.get("MaxJobCount", "")),
        max_time_min=_smallest(times),
        version=config.get("SLURM_VERSION", ""),
        accounting=keeps_accounts(config),
        requeue=config.get("JobRequeue", "1") != "0",
    )


def queued_now() -> int:
    """Return how many elements of this user wait or run, each element of an array counted."""
    return len(slurm.answer(["squeue", "-h", "-r", "-u", getpass.getuser(), "-o", "%i"]).split())


def configuration() -> dict[str, str]:
    """Return slurm.conf as the controller has it."""
    lines = slurm.answer(["scontrol", "show", "config"]).splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def partitions() -> dict[str, dict[str, str]]:
    """Return the facts of every partition, hidden ones too, by name."""
    lines = slurm.answer(["scontrol", "-a", "-o", "show", "partition"]).splitlines()
    found = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines]
    return {facts["PartitionName"]: facts for facts in found if "PartitionName" in facts}


def partition_of(profile: Profile, known: Mapping[str, Facts]) -> Facts:
    """Return the facts of the profile's partition, or of the default one; none where there is no such partition."""
    if profile.partition:
        return known.get(profile.partition, {})
    return next((facts for facts in known.values() if facts.get("Default") == "YES"), {})


def associations(config: Facts) -> list[dict[str, str]]:
    """Return the associations of this user; none where the cluster keeps no accounts or does not answer."""
    where = [f"user={getpass.getuser()}", f"cluster={config.get('ClusterName', '')}"]
    return _table(["show", "associations", *where], _ASSOCIATION) if keeps_accounts(config) else []


def qualities(config: Facts) -> list[dict[str, str]]:
    """Return all qualities of service (QOS); none where the cluster keeps no accounts or does not answer."""
    return _table(["show", "qos"], _QOS) if keeps_accounts(config) else []


def keeps_accounts(config: Facts) -> bool:
    """Say whether the cluster has a database of accounts."""
    return "slurmdbd" in config.get("AccountingStorageType", "")


def enforces_limits(config: Facts) -> bool:
    """Say whether limits of associations and QOS hold."""
    return bool(_ENFORCED & set(config.get("AccountingStorageEnforce", "").lower().split(",")))


def minutes(text: str) -> int:
    """Return Slurm's time (`1-12:00:00`, `02:00:00`, `30:00`, `45`) in whole minutes; 0 where it is no limit."""
    if not re.fullmatch(r"(\d+-)?\d+(:\d+){0,2}", text):
        return 0
    days, _, clock = text.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    if not days and len(parts) < 3:
        return parts[0]
    return int(days or 0) * 1440 + parts[0] * 60 + (*parts, 0)[1]


def _table(arguments: Sequence[str], columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        done = slurm.ask(["sacctmgr", "-n", "-P", *arguments, f"format={','.join(columns)}"])
    except ClusterError:
        return []
    rows = (line.split("|") for line in done.stdout.splitlines() if not done.returncode)
    return [dict(zip(columns, row, strict=True)) for row in rows if len(row) == len(columns)]


def _associations_of(profile: Profile, partition: Facts, rows: Sequence[Facts]) -> list[Facts]:
    """Return the associations a job of the profile may be charged to."""
    accounts = (profile.account,) if profile.account else {row["account"] for row in rows}
    places = ("", partition.get("PartitionName", ""))
    return [row for row in rows if row["account"] in accounts and row["partition"] in places]


def _qos_names(profile: Profile, partition: Facts, rows: Sequence[Facts]) -> set[str]:
    """Return the QOS that bound a job of the profile: its own or the association's, and the partition's."""
    mine = _associations_of(profile, partition, rows)
    own = {profile.qos} if profile.qos else {row["defaultqos"] or "normal" for row in mine}
    return {name for name in (*own, partition.get("QoS", "")) if name.upper() not in _NO_LIMIT}


def _count(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _smallest(numbers: Sequence[int]) -> int:
    return min((number for number in numbers if number), default=0)
