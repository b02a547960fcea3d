"""Texts of the configuration files of a throw-away Slurm cluster: pure functions, standard library only."""

from collections.abc import Iterable

from xstilts_hpc.cluster.devcluster_settings import PORTS_BEFORE_NODES, ClusterFolder, ClusterSettings, daemon_of_node


def slurm_conf(settings: ClusterSettings, *, base_port: int, user: str, host: str) -> str:
    """Return the text of slurm.conf."""
    folder = ClusterFolder(settings.folder)
    return _text(
        [
            "ClusterName=devcluster",
            f"SlurmctldHost={host}(127.0.0.1)",
            f"SlurmctldPort={base_port}",
            # else every daemon and every srun listens on 0.0.0.0; all nodes must then be 127.0.0.1, .2 is not bound
            "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny",
            f"SlurmUser={user}",
            f"SlurmdUser={user}",
            "AuthType=auth/munge",
            "CredType=cred/munge",
            f"AuthInfo=socket={folder.munge_socket},cred_expire={settings.cred_expire_s}",
            *_path_lines(folder),
            *_job_lines(settings),
            *_accounting_lines(settings, base_port, folder),
            *settings.extra,
            *_node_lines(settings, base_port, host),
            *_partition_lines(settings),
        ]
    )


def _path_lines(folder: ClusterFolder) -> list[str]:
    return [
        f"StateSaveLocation={folder.root / 'state'}",
        f"SlurmdSpoolDir={folder.spool('%n')}",
        f"SlurmctldPidFile={folder.own_pid_file('slurmctld')}",
        f"SlurmdPidFile={folder.own_pid_file(daemon_of_node('%n'))}",
        f"SlurmctldLogFile={folder.log('slurmctld')}",
        f"SlurmdLogFile={folder.log(daemon_of_node('%n'))}",
        "MailProg=/bin/true",
    ]


def _job_lines(settings: ClusterSettings) -> list[str]:
    return [
        "ProctrackType=proctrack/linuxproc",  # no cgroups; proctrack/pgid misses children with a session of their own
        "TaskPlugin=task/none",
        "JobAcctGatherType=jobacct_gather/linux",
        "JobAcctGatherFrequency=2",
        "MpiDefault=none",
        "SlurmdParameters=config_overrides",  # else nodes with more CPUs than the machine are drained
        # in this place old and new Slurm take it; 22.05 fails on the newer PreemptParameters=send_user_signal
        "SlurmctldParameters=preempt_send_user_signal",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core_Memory",
        "SchedulerType=sched/backfill",
        "SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1",
        "PriorityType=priority/basic",
        "PreemptType=preempt/partition_prio",
        "PreemptMode=REQUEUE",
        "JobRequeue=1",
        "EnforcePartLimits=ALL",
        "ReturnToService=2",
        f"MinJobAge={settings.min_job_age_s}",
        f"MaxArraySize={settings.max_array_size}",
        f"FirstJobId={settings.first_job_id}",
        f"KillWait={settings.kill_wait_s}",
        "CompleteWait=0",
        "InactiveLimit=0",
        "SlurmctldTimeout=30",
        f"SlurmdTimeout={settings.slurmd_timeout_s}",
        "MessageTimeout=10",
        "GresTypes=gpu",
    ]


def _accounting_lines(settings: ClusterSettings, base_port: int, folder: ClusterFolder) -> list[str]:
    if not settings.accounting:
        return ["AccountingStorageType=accounting_storage/none"]
    return [
        "AccountingStorageType=accounting_storage/slurmdbd",
        "AccountingStorageHost=127.0.0.1",
        f"AccountingStoragePort={base_port + 1}",
        f"AccountingStoragePass={folder.munge_socket}",  # clients of slurmdbd pass over the socket in AuthInfo
        "AccountingStorageTRES=gres/gpu",
    ]


def _node_lines(settings: ClusterSettings, base_port: int, host: str) -> list[str]:
    shape = (
        f"CPUs={settings.cpus} Boards=1 SocketsPerBoard=1 CoresPerSocket={settings.cpus} ThreadsPerCore=1 "
        f"RealMemory={settings.memory_mb}{f' Gres=gpu:{settings.gpus}' if settings.gpus else ''} State=UNKNOWN"
    )
    return [
        f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={base_port + PORTS_BEFORE_NODES + i} {shape}"
        for i, node in enumerate(settings.node_names)
    ]


def _partition_lines(settings: ClusterSettings) -> list[str]:
    rest = f"DefaultTime=10 MaxTime=INFINITE DefMemPerCPU={settings.memory_per_cpu_mb} State=UP"
    nodes = ",".join(settings.node_names)
    scavenge = f"PriorityTier=1 PreemptMode=REQUEUE GraceTime={settings.grace_time_s}"
    return [
        f"PartitionName=gpu Nodes={nodes} Default=YES PriorityTier=10 PreemptMode=OFF {rest}",
        f"PartitionName=scavenge Nodes={nodes} {scavenge} {rest}",
    ]


def gres_conf(settings: ClusterSettings) -> str:
    """Return the text of gres.conf: the GPUs of every node are the same symbolic links to /dev/null."""
    if not settings.gpus:
        return ""
    device = ClusterFolder(settings.folder).gpu(f"[0-{settings.gpus - 1}]")
    return _text([f"NodeName={','.join(settings.node_names)} Name=gpu File={device}"])


def cgroup_conf(version: tuple[int, int]) -> str:
    """Return the text of cgroup.conf for a version of Slurm: since 23 it looks for cgroups unless told not to."""
    return _text(["CgroupPlugin=disabled" if version >= (23, 0) else "CgroupAutomount=no"])


def slurmdbd_conf(settings: ClusterSettings, *, base_port: int, user: str) -> str:
    """Return the text of slurmdbd.conf; no password: MariaDB knows the user by the socket."""
    folder = ClusterFolder(settings.folder)
    return _text(
        [
            "AuthType=auth/munge",
            f"AuthInfo=socket={folder.munge_socket}",
            "DbdHost=localhost",
            "DbdAddr=127.0.0.1",
            f"DbdPort={base_port + 1}",
            "CommunicationParameters=NoInAddrAny",
            f"SlurmUser={user}",
            f"PidFile={folder.own_pid_file('slurmdbd')}",
            f"LogFile={folder.log('slurmdbd')}",
            "StorageType=accounting_storage/mysql",
            "StorageHost=localhost",
            f"StorageUser={user}",
            "StorageLoc=slurm_acct",
        ]
    )


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
