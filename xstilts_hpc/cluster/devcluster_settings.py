"""Settings, names and paths of a throw-away Slurm cluster on one machine; standard library only."""

import os
import random
import re
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PORTS_BEFORE_NODES = 11  # the base is slurmctld's port, base + 1 slurmdbd's, base + 10 + N that of node N
MAX_NODES = 64
MAX_FOLDER_CHARACTERS = 55  # a step's socket (spool/NODE/NODE_JOB.STEP) must fit the 107 characters of a Unix address


def default_folder() -> Path:
    """Return the folder of this user's cluster: in memory where the machine offers it."""
    shared_memory = Path("/dev/shm")
    parent = shared_memory if shared_memory.is_dir() else Path(tempfile.gettempdir())
    return parent / f"xstilts-devcluster-{os.getuid()}"


def first_job_id_by_chance() -> int:
    """Return a job id far from those of any other cluster, also of one that starts in the same second.

    So files of an earlier cluster are not taken for new ones, nor processes of another one for a job's own.
    """
    return random.randrange(1_000_000, 60_000_000)  # Slurm's own ids end at 67,043,328


@dataclass(frozen=True)
class ClusterSettings:
    """What a development cluster looks like; sizes are per node and may exceed what the machine has."""

    folder: Path = field(default_factory=default_folder)
    nodes: int = 2
    accounting: bool = False
    cpus: int = 8
    gpus: int = 4
    memory_mb: int = 8000
    memory_per_cpu_mb: int = 100
    cred_expire_s: int = 5  # a requeued job waits this long; Slurm refuses less than 5 and then takes 120
    kill_wait_s: int = 2  # below cred_expire_s, else a requeued job meets its old self and the node is drained
    grace_time_s: int = 15  # what a preempted job gets between the signal and its end
    slurmd_timeout_s: int = 10
    min_job_age_s: int = 300  # how long squeue still lists a finished job
    max_array_size: int = 1001
    first_job_id: int = field(default_factory=first_job_id_by_chance)
    extra: tuple[str, ...] = ()  # more lines for slurm.conf

    @property
    def node_names(self) -> tuple[str, ...]:
        """Return the names of the nodes, first to last."""
        return tuple(node_name(number) for number in range(1, self.nodes + 1))

    def problems(self) -> list[str]:
        """List what makes these settings unusable."""
        found = []
        if not 1 <= self.nodes <= MAX_NODES:
            found.append(f"nodes must be 1 to {MAX_NODES}, got {self.nodes}")
        if self.cpus < 1 or self.memory_mb < 1 or self.gpus < 0:
            found.append(f"a node cannot have {self.cpus} cpus, {self.memory_mb} MB and {self.gpus} gpus")
        if self.cred_expire_s < 5 or self.cred_expire_s <= self.kill_wait_s:
            found.append(f"cred_expire_s must be at least 5 and above kill_wait_s, got {self.cred_expire_s}")
        folder = str(self.folder)
        if len(folder) > MAX_FOLDER_CHARACTERS:
            found.append(f"folder must be at most {MAX_FOLDER_CHARACTERS} characters (sockets lie in it), got {folder}")
        if re.fullmatch(r"/[\w./-]+", folder, re.ASCII) is None:
            found.append(f"folder must be an absolute path of letters, digits and ._/- only, got {folder}")
        return found


@dataclass(frozen=True)
class ClusterFolder:
    """Where everything of one cluster lies."""

    root: Path

    @property
    def directories(self) -> dict[Path, int]:
        """Map each directory to its mode; munge wants its socket reachable and its key out of reach."""
        private = dict.fromkeys((self.root / name for name in ("key", "run", "log", "state")), 0o700)
        public = dict.fromkeys((self.root, *(self.root / name for name in ("etc", "sock", "spool", "dev"))), 0o755)
        return public | private

    @property
    def slurm_conf(self) -> Path:
        """Return the path of the main configuration file."""
        return self.root / "etc" / "slurm.conf"

    def beside_slurm_conf(self, name: str) -> Path:
        """Return the path of another configuration file: Slurm looks for it beside the main one."""
        return self.slurm_conf.with_name(name)

    @property
    def run(self) -> Path:
        """Return the directory of pid files."""
        return self.root / "run"

    @property
    def memory(self) -> Path:
        """Return the file that remembers settings and ports."""
        return self.root / "cluster.json"

    @property
    def lock(self) -> Path:
        """Return the file that start and stop lock."""
        return self.root / "lock"

    @property
    def munge_key(self) -> Path:
        """Return the path of munge's secret."""
        return self.root / "key" / "munge.key"

    @property
    def munge_socket(self) -> Path:
        """Return the socket of our own munged, so that the machine's is left alone."""
        return self.root / "sock" / "munge.sock"

    @property
    def database(self) -> Path:
        """Return the data folder of MariaDB."""
        return self.root / "database"

    @property
    def database_socket(self) -> Path:
        """Return the socket of MariaDB, its only entrance."""
        return self.run / "database.sock"

    def spool(self, node: str) -> Path:
        """Return where the slurmd of a node keeps its steps' sockets; %n stands for any node."""
        return self.root / "spool" / node

    def process_file(self, daemon: str) -> Path:
        """Return the file with pid and start time of a daemon."""
        return self.run / f"{daemon}.pid"

    def own_pid_file(self, daemon: str) -> Path:
        """Return the pid file that the daemon itself insists on writing."""
        return self.run / f"{daemon}.own"

    def log(self, daemon: str) -> Path:
        """Return the log of a daemon."""
        return self.root / "log" / f"{daemon}.log"

    def output(self, daemon: str) -> Path:
        """Return what a daemon wrote to its standard output and error."""
        return self.root / "log" / f"{daemon}.out"

    def gpu(self, number: int | str) -> Path:
        """Return the pretended device of a GPU."""
        return self.root / "dev" / f"gpu{number}"


def node_name(number: int) -> str:
    """Name node N so that getaddrinfo takes the name for 127.0.0.N: MASTER_ADDR resolves without /etc/hosts."""
    return f"0x{0x7F000000 + number:08x}"


def daemon_of_node(node: str) -> str:
    """Name the daemon that plays a node."""
    return f"slurmd-{node}"


def ports(settings: ClusterSettings, base_port: int) -> tuple[int, ...]:
    """List the ports that a cluster listens on."""
    nodes = range(base_port + PORTS_BEFORE_NODES, base_port + PORTS_BEFORE_NODES + settings.nodes)
    return (base_port, base_port + 1, *nodes)


def settings_to_json(settings: ClusterSettings) -> dict[str, Any]:
    """Turn settings into what JSON can hold."""
    return asdict(settings) | {"folder": str(settings.folder), "extra": list(settings.extra)}


def settings_from_json(values: dict[str, Any]) -> ClusterSettings:
    """Read settings back."""
    return ClusterSettings(**values | {"folder": Path(values["folder"]), "extra": tuple(values["extra"])})
