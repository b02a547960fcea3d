"""A throw-away but complete Slurm on one machine: loopback only, no root, no systemd; standard library only."""

import fcntl
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xstilts_hpc.cluster import devcluster_processes as processes
from xstilts_hpc.cluster import devcluster_setup as setup
from xstilts_hpc.cluster.devcluster_daemons import (
    Daemons,
    DevClusterError,
    check_binaries,
    missing_binaries,
    start_database,
    start_munged,
)
from xstilts_hpc.cluster.devcluster_processes import Process
from xstilts_hpc.cluster.devcluster_settings import (
    ClusterFolder,
    ClusterSettings,
    daemon_of_node,
    node_name,
    ports,
)

__all__ = ["ClusterSettings", "DevCluster", "DevClusterError", "missing_binaries"]

CONTROLLER = "slurmctld"
CORE_DAEMONS = {"munged", CONTROLLER}
NODE_IS_UP = {"idle", "mixed", "allocated", "completing"}
JOBS_END_LIMIT_S = 10


class DevCluster:
    """One cluster in one folder; objects in several processes may speak for the same cluster."""

    def __init__(self, settings: ClusterSettings) -> None:
        self.settings = settings
        self._folder = ClusterFolder(settings.folder)
        self._daemons = Daemons(self._folder)

    @classmethod
    def load(cls, folder: Path) -> "DevCluster":
        """Return the cluster that was started in a folder."""
        return cls(setup.load_settings(ClusterFolder(folder)))

    def start(self) -> bool:
        """Start the cluster and wait until its nodes are idle; return False when it runs already."""
        problems = self.settings.problems()
        if problems:
            raise DevClusterError("; ".join(problems))
        check_binaries(accounting=self.settings.accounting)
        setup.claim(self._folder)
        with self._locked():
            if self.running():
                return False
            self._take_down()  # a cluster that lost its slurmctld may still have nodes
            try:
                self._bring_up()
            except BaseException:
                self._take_down()
                raise
        return True

    def stop(self) -> None:
        """End the jobs, then exactly the daemons that start began, the last one first."""
        if self._folder.memory.is_file():
            with self._locked():
                self._take_down()

    def running(self) -> bool:
        """Tell whether all daemons live; nodes may be dead, as in any cluster."""
        nodes = daemon_of_node("")
        core = {name: process for name, process in self.processes().items() if not name.startswith(nodes)}
        return core.keys() >= CORE_DAEMONS and all(processes.alive(process) for process in core.values())

    def environment(self) -> dict[str, str]:
        """Return the variables that lead Slurm's commands to this cluster."""
        return {"SLURM_CONF": str(self._folder.slurm_conf)}

    def processes(self) -> dict[str, Process]:
        """Map each daemon that was started and not ended to its process, in the order of their start."""
        return self._daemons.recorded()

    def ports(self) -> tuple[int, ...]:
        """Return the ports that this cluster listens on."""
        return ports(self.settings, setup.load_base_port(self._folder))

    def kill_node(self, number: int, *, notice: bool = True) -> None:
        """Let node N (from 1) die with all that runs on it; without notice slurmctld takes half a minute to see it."""
        node = self._node(number)
        daemon = daemon_of_node(node)
        if daemon not in self.processes():
            raise DevClusterError(f"node {number} is dead already; revive it: tools/devcluster revive-node {number}")
        process = self.processes()[daemon]
        processes.send(process, signal.SIGKILL)
        processes.until(lambda: not processes.alive(process), limit_s=10)
        processes.end_steps(self._folder.spool(node))
        self._daemons.forget(daemon)
        if notice:  # only now that all is dead: a living slurmd would register again at once
            self._daemons.ask("scontrol", "update", f"nodename={node}", "state=down", "reason=killed")

    def revive_node(self, number: int) -> None:
        """Start node N again and wait until slurmctld takes it back; do nothing when it lives."""
        node = self._node(number)
        recorded = self.processes()
        if daemon_of_node(node) not in recorded or not processes.alive(recorded[daemon_of_node(node)]):
            self._spawn_node(node)
            self._wait_for_node(node)

    def stop_controller(self, *, crash: bool = False) -> None:
        """End slurmctld while nodes and jobs go on; in a crash it loses what happened since it last saved its state."""
        self._require_cluster()
        process = self.processes()[CONTROLLER]
        if crash:
            processes.send(process, signal.SIGKILL)
            processes.until(lambda: not processes.alive(process), limit_s=10)
        else:
            processes.end(process)

    def start_controller(self) -> None:
        """Start slurmctld again on the state it saved, and wait until it answers; do nothing when it lives."""
        self._require_cluster()
        if not processes.alive(self.processes()[CONTROLLER]):
            self._spawn_controller()

    def describe(self) -> str:
        """Return one line per daemon, then Slurm's own view of the nodes."""
        lines = [f"{self._folder.root}: {'running' if self.running() else 'not running'}"]
        for daemon, process in self.processes().items():
            lines.append(f"{daemon:<18} pid {process.pid:<8} {'alive' if processes.alive(process) else 'dead'}")
        nodes = self._daemons.ask("sinfo", "-N", "-o", "%N %P %T %c %m %G").stdout if self.running() else ""
        return "\n".join([*lines, *nodes.splitlines()])

    def _node(self, number: int) -> str:
        if not self.running():
            raise DevClusterError(f"no cluster runs in {self._folder.root}; start one: tools/devcluster start")
        if not 1 <= number <= self.settings.nodes:
            raise DevClusterError(f"node must be 1 to {self.settings.nodes}, got {number}")
        return node_name(number)

    def _require_cluster(self) -> None:
        if CONTROLLER not in self.processes():
            raise DevClusterError(f"no cluster runs in {self._folder.root}; start one: tools/devcluster start")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._folder.lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _bring_up(self) -> None:
        setup.fill(self.settings, self._daemons)
        start_munged(self._daemons, self._folder)
        if self.settings.accounting:
            start_database(self._daemons, self._folder, setup.user_name())
        self._daemons.spawn(CONTROLLER, "slurmctld", "-D", "-i")
        for node in self.settings.node_names:
            self._spawn_node(node)
        self._daemons.wait_until(CONTROLLER, self._controller_answers)
        for node in self.settings.node_names:
            self._wait_for_node(node)

    def _take_down(self) -> None:
        recorded = self.processes()
        if CONTROLLER in recorded and processes.alive(recorded[CONTROLLER]):
            self._daemons.ask("scancel", "-u", setup.user_name())
            processes.until(lambda: not self._daemons.ask("squeue", "-h").stdout, limit_s=JOBS_END_LIMIT_S)
        self._daemons.end_all()

    def _spawn_controller(self) -> None:
        self._daemons.spawn(CONTROLLER, "slurmctld", "-D", "-i")
        self._daemons.wait_until(CONTROLLER, self._controller_answers)

    def _controller_answers(self) -> bool:
        return self._daemons.answers("scontrol", "ping")

    def _spawn_node(self, node: str) -> None:
        self._daemons.spawn(daemon_of_node(node), "slurmd", "-D", "-N", node, "-f", str(self._folder.slurm_conf))

    def _wait_for_node(self, node: str) -> None:
        port = dict(zip(self.settings.node_names, self.ports()[2:], strict=True))[node]

        def is_up() -> bool:
            if setup.is_free(port):  # slurmctld may still believe what it knew before a stop
                return False
            return self._daemons.ask("sinfo", "-h", "-p", "gpu", "-n", node, "-o", "%T").stdout.strip() in NODE_IS_UP

        self._daemons.wait_until(daemon_of_node(node), is_up)
