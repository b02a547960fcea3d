"""What the cluster says of itself, gathered once for the doctor."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xstilts_hpc.cluster import limits as of_cluster
from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.limits import Facts, Limits
from xstilts_hpc.cluster.profile import Profile

_USABLE = {"idle", "mixed", "allocated", "completing", "planned", "reserved", "maint", "powered_down", "powering_up"}


@dataclass(frozen=True)
class NodeKind:
    """Nodes of one partition that look the same: their state, how many, and what each has."""

    partition: str
    state: str
    count: int
    cpus: int
    memory_mb: int
    gpus: Mapping[str, int]
    features: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """Say whether Slurm gives these nodes to jobs, now or when they are free."""
        return re.sub(r"\W+$", "", self.state) in _USABLE


@dataclass(frozen=True)
class Cluster:
    """What the cluster said: slurm.conf, partitions, nodes, this user's associations, and all QOS."""

    config: Facts
    partitions: Mapping[str, Facts]
    nodes: tuple[NodeKind, ...]
    associations: Sequence[Facts] = ()
    qualities: Sequence[Facts] = ()

    def partition(self, profile: Profile) -> Facts:
        """Return the partition of a profile, or the default one."""
        return of_cluster.partition_of(profile, self.partitions)

    def nodes_of(self, profile: Profile) -> list[NodeKind]:
        """Return the nodes of the profile's partition."""
        name = self.partition(profile).get("PartitionName", "")
        return [kind for kind in self.nodes if kind.partition == name]

    def limits(self, profile: Profile) -> Limits:
        """Return the limits for a profile."""
        accounts = (self.associations, self.qualities)
        return of_cluster.limits_of(profile, self.config, self.partition(profile), accounts)


def ask_cluster() -> Cluster:
    """Ask for everything once; ClusterError where Slurm does not answer."""
    config = of_cluster.configuration()
    return Cluster(
        config,
        of_cluster.partitions(),
        nodes_in(slurm.answer(["sinfo", "-a", "-e", "-h", "-o", "%R|%T|%D|%c|%m|%G|%f"])),
        of_cluster.associations(config),
        of_cluster.qualities(config),
    )


def nodes_in(text: str) -> tuple[NodeKind, ...]:
    """Return the kinds of nodes that sinfo lists."""
    rows = [line.split("|") for line in text.splitlines() if line.count("|") == 6]
    return tuple(
        NodeKind(name, state, int(count), leading(cpus), leading(memory), gpus_in(gres), names_in(features))
        for name, state, count, cpus, memory, gres, features in rows
    )


def gpus_in(gres: str) -> dict[str, int]:
    """Return the number of GPUs by type in Slurm's list of resources; the type is "" where none is said."""
    found: dict[str, int] = {}
    for kind, number in re.findall(r"(?:^|,)gpu(?::([^:,(]+))??(?::(\d+))?(?=[,(]|$)", gres):
        found[kind] = found.get(kind, 0) + int(number or 1)
    return found


def preemption_of(profile: Profile, cluster: Cluster) -> tuple[str, int]:
    """Return how jobs of the profile are preempted (OFF: not at all) and the seconds they get."""
    partition, kind = cluster.partition(profile), cluster.config.get("PreemptType", "")
    mode = cluster.config.get("PreemptMode", "OFF").upper()
    if kind.endswith("/partition_prio"):
        tiers = {name: int(facts.get("PriorityTier", "1")) for name, facts in cluster.partitions.items()}
        if tiers.get(partition.get("PartitionName", ""), 1) >= max(tiers.values(), default=1):
            return "OFF", 0
        return partition.get("PreemptMode", mode).upper(), _seconds(partition.get("GraceTime", "0"))
    if kind.endswith("/qos"):
        name = profile.qos or next((row["defaultqos"] for row in cluster.associations if row["defaultqos"]), "normal")
        row = next((row for row in cluster.qualities if row["name"] == name), {})
        own = row.get("preemptmode", "").upper()
        return mode if own in ("", "CLUSTER") else own, _seconds(row.get("gracetime", "0"))
    return "OFF", 0


def sends_signal(config: Facts) -> bool:
    """Say whether a preempted job gets the signal that it asked for, under its old name or its new one."""
    new = "send_user_signal" in config.get("PreemptParameters", "")
    return new or "preempt_send_user_signal" in config.get("SlurmctldParameters", "")


def names_in(text: str) -> tuple[str, ...]:
    """Return the names in a list of Slurm, separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip() not in ("", "(null)"))


def leading(text: str) -> int:
    """Return the number that a text begins with, 0 where there is none."""
    found = re.match(r"\d+", text)
    return int(found[0]) if found else 0


def _seconds(text: str) -> int:
    """Return a time that Slurm prints as seconds or as `00:01:30`, in seconds."""
    number = 0
    for part in re.findall(r"\d+", text)[-3:]:
        number = number * 60 + int(part)
    return number
