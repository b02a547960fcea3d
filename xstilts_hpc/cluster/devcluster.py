"""A throw-away but complete Slurm on one machine: loopback only, no root, no systemd; standard library only."""

import argparse
import fcntl
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
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
    default_folder,
    node_name,
    ports,
)

__all__ = ["ClusterSettings", "DevCluster", "DevClusterError", "main", "missing_binaries"]

CORE_DAEMONS = {"munged", "slurmctld"}
NODE_IS_UP = {"idle", "mixed", "allocated", "completing"}
JOBS_END_LIMIT_S = 10
EXIT_CODE = 5


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
        self._daemons.spawn("slurmctld", "slurmctld", "-D", "-i")
        for node in self.settings.node_names:
            self._spawn_node(node)
        self._daemons.wait_until("slurmctld", lambda: self._daemons.answers("scontrol", "ping"))
        for node in self.settings.node_names:
            self._wait_for_node(node)

    def _take_down(self) -> None:
        recorded = self.processes()
        if "slurmctld" in recorded and processes.alive(recorded["slurmctld"]):
            self._daemons.ask("scancel", "-u", setup.user_name())
            processes.until(lambda: not self._daemons.ask("squeue", "-h").stdout, limit_s=JOBS_END_LIMIT_S)
        self._daemons.end_all()

    def _spawn_node(self, node: str) -> None:
        self._daemons.spawn(daemon_of_node(node), "slurmd", "-D", "-N", node, "-f", str(self._folder.slurm_conf))

    def _wait_for_node(self, node: str) -> None:
        port = dict(zip(self.settings.node_names, self.ports()[2:], strict=True))[node]

        def is_up() -> bool:
            if setup.is_free(port):  # slurmctld may still believe what it knew before a stop
                return False
            return self._daemons.ask("sinfo", "-h", "-p", "gpu", "-n", node, "-o", "%T").stdout.strip() in NODE_IS_UP

        self._daemons.wait_until(daemon_of_node(node), is_up)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb of tools/devcluster; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        text, exit_code = _VERBS[options.verb](options)
    except DevClusterError as error:
        sys.stderr.write(f"devcluster: {error}\n")
        return EXIT_CODE
    sys.stdout.write(f"{text}\n")
    return exit_code


def _start(options: argparse.Namespace) -> tuple[str, int]:
    settings = ClusterSettings(
        folder=options.folder,
        nodes=options.nodes,
        accounting=options.accounting,
        cpus=options.cpus,
        gpus=options.gpus,
        memory_mb=options.memory_mb,
        extra=tuple(options.extra),
    )
    begin = time.monotonic()
    if not DevCluster(settings).start():
        return f"already running\n{DevCluster.load(options.folder).describe()}", 0
    folder = "" if options.folder == default_folder() else f" --folder {options.folder}"
    return f"up in {time.monotonic() - begin:.1f} s; next: eval $(tools/devcluster env{folder})", 0


def _stop(options: argparse.Namespace) -> tuple[str, int]:
    if not ClusterFolder(options.folder).memory.is_file():
        return f"nothing to stop in {options.folder}", 0
    DevCluster.load(options.folder).stop()
    return "stopped", 0


def _status(options: argparse.Namespace) -> tuple[str, int]:
    cluster = DevCluster.load(options.folder)
    return cluster.describe(), 0 if cluster.running() else 1


def _env(options: argparse.Namespace) -> tuple[str, int]:
    variables = DevCluster.load(options.folder).environment()
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()), 0


def _kill_node(options: argparse.Namespace) -> tuple[str, int]:
    DevCluster.load(options.folder).kill_node(options.number, notice=not options.unnoticed)
    return f"node {options.number} is dead", 0


def _revive_node(options: argparse.Namespace) -> tuple[str, int]:
    DevCluster.load(options.folder).revive_node(options.number)
    return f"node {options.number} is up", 0


_VERBS: dict[str, Callable[[argparse.Namespace], tuple[str, int]]] = {
    "start": _start,
    "stop": _stop,
    "status": _status,
    "env": _env,
    "kill-node": _kill_node,
    "revive-node": _revive_node,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devcluster", description="A throw-away real Slurm on this machine.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    start = verbs.add_parser("start", help="start a cluster and wait until it is ready")
    stop = verbs.add_parser("stop", help="end its jobs and daemons; logs stay in the folder")
    status = verbs.add_parser("status", help="list daemons and nodes; exit code 1 when not running")
    env = verbs.add_parser("env", help="print what leads Slurm's commands here: eval $(tools/devcluster env)")
    kill = verbs.add_parser("kill-node", help="let node N die with all that runs on it")
    revive = verbs.add_parser("revive-node", help="start node N again")
    for verb in (start, stop, status, env, kill, revive):
        verb.add_argument("--folder", type=_absolute, default=default_folder(), help="default: %(default)s")
    for verb in (kill, revive):
        verb.add_argument("number", type=int, metavar="N", help="1 is the first node")
    kill.add_argument("--unnoticed", action="store_true", help="let slurmctld find out itself (half a minute)")
    start.add_argument("--accounting", action=argparse.BooleanOptionalAction, default=ClusterSettings.accounting)
    for name in ("nodes", "cpus", "gpus", "memory_mb"):
        flag = f"--{name.replace('_', '-')}"
        start.add_argument(flag, type=int, default=getattr(ClusterSettings, name), help="default: %(default)s")
    start.add_argument("--extra", action="append", default=[], metavar="LINE", help="one more line for slurm.conf")
    return parser


def _absolute(text: str) -> Path:
    return Path(text).absolute()
