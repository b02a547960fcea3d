"""How a profile fits the cluster: pure checks of what the cluster says of itself."""

import re
import shutil

from xstilts_hpc.cluster import limits as of_cluster
from xstilts_hpc.cluster.doctor_check import Check, fine, problem, warning
from xstilts_hpc.cluster.doctor_facts import Cluster, NodeKind, leading, names_in, preemption_of, sends_signal
from xstilts_hpc.cluster.limits import Limits
from xstilts_hpc.cluster.profile import Profile
from xstilts_hpc.errors import nearest

PROGRAMS = ("sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo")
_OPTIONAL = ("sacct", "sacctmgr")
# Slurm ends a run this long after TERM by default; so much is taken to be enough for a last checkpoint.
_ENOUGH_S = 30
_BEGIN_AGAIN_S = 120
# A constraint with these chooses between features, so it does not say which features every node has.
_CHOICE = r"[\[\]()!|*]"


def cluster_checks(profile: Profile, cluster: Cluster) -> list[Check]:
    """Return what is to be said about a profile on this cluster."""
    limits = cluster.limits(profile)
    first = [check_version(cluster), check_programs(), check_partition(profile, cluster)]
    place = []
    if cluster.partition(profile):
        place = [check_constraint(profile, cluster), check_shape(profile, cluster), check_preemption(profile, cluster)]
    return [
        *first,
        check_account(profile, cluster),
        check_qos(profile, cluster),
        check_time(profile, limits),
        *place,
        check_limits(profile, limits),
        check_accounting(cluster),
        check_requeue(profile, cluster),
        check_kill_wait(cluster),
    ]


def check_version(cluster: Cluster) -> Check:
    """Say which Slurm answers."""
    return fine("slurm", f"version {cluster.config.get('SLURM_VERSION', '?')} answers")


def check_programs() -> Check:
    """Check that Slurm's commands are on PATH."""
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing:
        return problem("commands", f"not on PATH: {', '.join(missing)}", "load the site's Slurm module")
    optional = [name for name in _OPTIONAL if not shutil.which(name)]
    return fine("commands", f"on PATH{'; not here, not needed: ' + ', '.join(optional) if optional else ''}")


def check_partition(profile: Profile, cluster: Cluster) -> Check:
    """Check that the partitions exist and take jobs."""
    for name in filter(None, (profile.partition, profile.collector_partition)):
        if name not in cluster.partitions:
            return problem("partition", f"no partition {name!r} here", nearest(name, cluster.partitions))
    facts = cluster.partition(profile)
    if not facts:
        return problem("partition", "the cluster has no default partition", "name one: partition in the profile")
    name, state = facts["PartitionName"], facts.get("State", "UP")
    if state != "UP":
        return warning("partition", f"{name} is {state}: runs wait until it is up", f"scontrol show partition {name}")
    kinds = cluster.nodes_of(profile)
    usable = sum(kind.count for kind in kinds if kind.usable)
    said = f"{name} is up, {usable} of {sum(kind.count for kind in kinds)} nodes usable"
    return fine("partition", said) if usable else warning("partition", said, f"sinfo -R -p {name} tells why")


def check_account(profile: Profile, cluster: Cluster) -> Check:
    """Check that the account may be charged by this user."""
    mine = sorted({row["account"] for row in cluster.associations})
    if not mine:
        return fine("account", f"{profile.account or 'none'}: the cluster lists no accounts of yours to compare with")
    if not profile.account:
        return fine("account", f"none named, so your default one is charged; yours: {', '.join(mine)}")
    if profile.account not in mine:
        return problem("account", f"{profile.account!r} is not yours", nearest(profile.account, mine))
    return fine("account", f"{profile.account} is yours")


def check_qos(profile: Profile, cluster: Cluster) -> Check:
    """Check that the quality of service exists and is allowed to this user."""
    known = {row["name"] for row in cluster.qualities}
    if not profile.qos or not known:
        return fine(
            "qos", f"{profile.qos or 'none named'}{'' if known else ': the cluster lists none to compare with'}"
        )
    if profile.qos not in known:
        return problem("qos", f"no QOS {profile.qos!r} here", nearest(profile.qos, known))
    rows = [row for row in cluster.associations if profile.account in ("", row["account"])]
    allowed = {name for row in rows for name in row["qos"].split(",") if name}
    if allowed and profile.qos not in allowed:
        return problem("qos", f"{profile.qos!r} is not allowed to your account", nearest(profile.qos, allowed))
    return fine("qos", profile.qos)


def check_constraint(profile: Profile, cluster: Cluster) -> Check:
    """Check that nodes of the partition have the features asked for."""
    known = {feature for kind in cluster.nodes_of(profile) for feature in kind.features}
    for name in names_in(re.sub(r"[\[\]()!&|]|\*\d+", ",", profile.constraint)):
        if name not in known:
            advice = nearest(name, known) if known else "no node of the partition has features; remove constraint"
            return problem("constraint", f"no node of the partition has the feature {name!r}", advice)
    return fine("constraint", profile.constraint or "none")


def check_time(profile: Profile, limits: Limits) -> Check:
    """Check the time limit of a run, and that the warning before it leaves time to work."""
    if limits.max_time_min and profile.time_min > limits.max_time_min:
        found = f"time_min {profile.time_min} is over the limit of {limits.max_time_min} min here"
        return problem("time", found, f"set time_min to {limits.max_time_min}; a longer run is requeued and goes on")
    if profile.signal_lead_s >= profile.time_min * 60:
        found = f"signal_lead_s {profile.signal_lead_s} is the whole of time_min {profile.time_min}: runs do nothing"
        return problem("time", found, "raise time_min or lower signal_lead_s")
    if profile.signal_lead_s * 4 > profile.time_min * 60:
        found = f"signal_lead_s {profile.signal_lead_s} is over a quarter of time_min {profile.time_min}"
        return warning("time", found, "raise time_min or lower signal_lead_s")
    limit = f"the limit is {limits.max_time_min} min" if limits.max_time_min else "no limit"
    return fine("time", f"{profile.time_min} min ({limit}), saved {profile.signal_lead_s} s before")


def check_shape(profile: Profile, cluster: Cluster) -> Check:
    """Check that enough nodes have the processors, memory and GPUs that a run asks of each."""
    single = names_in(re.sub(r"[&]", ",", profile.constraint)) if not re.search(_CHOICE, profile.constraint) else ()
    kinds = [kind for kind in cluster.nodes_of(profile) if {*single} <= {*kind.features}]
    fitting = [kind for kind in kinds if not lacks(profile, kind)]
    ask = f"{profile.ranks_per_node * profile.cpus_per_rank} cpus, {profile.memory_gb:g} GB, {profile.num_gpus} GPUs"
    if not kinds:
        return problem("node shape", "the partition has no such nodes", "sinfo shows what there is")
    if not fitting:
        best = max(kinds, key=lambda kind: (sum(kind.gpus.values()), kind.memory_mb))
        found = f"no node has {ask}: the largest lacks {' and '.join(lacks(profile, best))}"
        return problem("node shape", found, "lower what the profile asks of a node, or choose another partition")
    count, usable = sum(k.count for k in fitting), sum(k.count for k in fitting if k.usable)
    if count < profile.nodes:
        return problem("node shape", f"nodes: {profile.nodes}, but only {count} fit {ask}", "lower nodes")
    said = f"{ask} per node fit {count} nodes, {usable} of them usable"
    return fine("node shape", said) if usable >= profile.nodes else warning("node shape", said, "sinfo -R tells why")


def lacks(profile: Profile, kind: NodeKind) -> list[str]:
    """Return what a node has too little of for a run."""
    cpus = profile.ranks_per_node * profile.cpus_per_rank
    memory = round(profile.memory_gb * 1024)
    have = kind.gpus.get(profile.gpu_type, 0) if profile.gpu_type else sum(kind.gpus.values())
    gpus = profile.num_gpus if profile.gpu_request != "none" else 0
    name = f"{profile.gpu_type} GPUs" if profile.gpu_type else "GPUs"
    return [
        *([f"cpus ({kind.cpus})"] if kind.cpus < cpus else []),
        *([f"memory ({kind.memory_mb} MB of {memory})"] if kind.memory_mb < memory else []),
        *([f"{name} ({have})"] if have < gpus else []),
    ]


def check_limits(profile: Profile, limits: Limits) -> Check:
    """Say how many elements may be handed over at once."""
    most = f"{limits.max_submit} of yours in the queue" if limits.max_submit else "no limit on yours in the queue"
    said = f"arrays of at most {limits.max_array_size} elements, {most}"
    if profile.max_submit > limits.max_submit > 0:
        then = f"set max_submit to {limits.max_submit} or less, or to 0: then the cluster is asked"
        return warning("limits", f"{said}, but max_submit of the profile is {profile.max_submit}", then)
    if limits.max_submit and limits.max_submit <= profile.max_parallel:
        then = f"lower max_parallel to {max(1, limits.max_submit - 1)}: the collector is queued too"
        return warning("limits", f"{said}, fewer than max_parallel {profile.max_parallel} and the collector", then)
    return fine("limits", f"{said}; larger grids go in waves")


def check_accounting(cluster: Cluster) -> Check:
    """Say whether the cluster remembers jobs that ended, which is only a comfort."""
    if of_cluster.keeps_accounts(cluster.config):
        return fine("accounting", "on: sacct is asked about jobs that squeue has forgotten")
    age = cluster.config.get("MinJobAge", "?")
    return fine("accounting", f"off, nothing needs it; Slurm forgets an ended job after {age}")


def check_requeue(profile: Profile, cluster: Cluster) -> Check:
    """Say whether a run that was stopped starts again by itself."""
    if profile.slurm.get("no-requeue"):
        found = "slurm.no-requeue: a run that is stopped or loses its node does not start again by itself"
        return warning("requeue", found, "remove no-requeue from the profile")
    expire = re.search(r"cred_expire=(\d+)", cluster.config.get("AuthInfo", ""))
    default = "" if cluster.config.get("JobRequeue") != "0" else " (the site's default is not to, each run asks for it)"
    return fine(
        "requeue", f"runs start again by themselves{default}, after {expire[1] if expire else _BEGIN_AGAIN_S} s"
    )


def check_preemption(profile: Profile, cluster: Cluster) -> Check:
    """Say what a run loses when another job takes its nodes."""
    mode, grace = preemption_of(profile, cluster)
    lost = f"up to checkpoint_min ({profile.checkpoint_min:g}) minutes of work"
    if mode in ("OFF", ""):
        return fine("preemption", "off: no other job takes a run's nodes")
    if "SUSPEND" in mode or "GANG" in mode:
        return fine("preemption", f"{mode}: a run may be stopped for a while, and goes on where it stood")
    if "CANCEL" in mode:
        found = f"{mode}: a preempted run is ended for good, after {grace} s"
        return warning("preemption", found, "submit the grid again after a preemption, or use another partition")
    if not grace:
        found = f"{mode} with GraceTime 0: a preempted run is killed and loses {lost}"
        return warning("preemption", found, "lower checkpoint_min in the profile, or ask the site for a GraceTime")
    signal = "USR2" if sends_signal(cluster.config) else "TERM (preempt_send_user_signal is not set)"
    found = f"{mode}: {signal} comes {grace} s before the end, the run saves and is queued again"
    if grace < min(profile.signal_lead_s, _ENOUGH_S):
        then = f"a checkpoint that takes longer loses {lost}; lower checkpoint_min, or ask the site for more GraceTime"
        return warning("preemption", found, then)
    return fine("preemption", found)


def check_kill_wait(cluster: Cluster) -> Check:
    """Say how long a run that is cancelled has to save."""
    wait = leading(cluster.config.get("KillWait", "30"))
    said = f"KillWait {wait} s: a plain scancel leaves a run that long to save; `xstilts cancel` waits until it has"
    return fine("cancelling", said)
