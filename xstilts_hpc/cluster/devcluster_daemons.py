"""Daemons of a throw-away cluster: find their programs, start them, wait for them, end them; standard library only."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

from xstilts_hpc.cluster import devcluster_processes as processes
from xstilts_hpc.cluster.devcluster_processes import Process
from xstilts_hpc.cluster.devcluster_settings import ClusterFolder

SLURM_BINARIES = ("munged", "munge", "slurmctld", "slurmd", "scontrol", "sinfo", "squeue", "scancel")
ACCOUNTING_BINARIES = ("slurmdbd", "sacctmgr", "mariadbd", "mariadb-install-db")
SLURM_PACKAGES = "slurmctld slurmd slurm-client munge"
ACCOUNTING_PACKAGES = "slurmdbd mariadb-server-core mariadb-client-core"
LAST_LINES = 5


class DevClusterError(RuntimeError):
    """Say what of a development cluster did not work, and what to do."""


class Daemons:
    """The daemons of one folder, whoever started them."""

    def __init__(self, folder: ClusterFolder) -> None:
        self._folder = folder
        self._children: list[subprocess.Popen[bytes]] = []

    def recorded(self) -> dict[str, Process]:
        """Map each daemon that was started and not ended to its process, in the order of their start."""
        by_age = sorted(self._folder.run.glob("*.pid"), key=lambda path: path.stat().st_mtime_ns)
        return {path.stem: processes.read_process(path) for path in by_age}

    def spawn(self, daemon: str, *command: str, **variables: str) -> None:
        """Start a daemon in its foreground mode and a session of its own, and note who it is."""
        with self._folder.output(daemon).open("wb") as output:
            child = subprocess.Popen(
                [find(command[0]), *command[1:]],
                env=self._variables() | variables,
                cwd=self._folder.root,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children.append(child)
        processes.write_process(self._folder.process_file(daemon), processes.identify(child.pid))

    def wait_until(self, daemon: str, ready: Callable[[], bool], *, limit_s: float = 30) -> None:
        """Wait until a daemon is ready; raise with the end of its log when it dies or takes too long."""
        process = self.recorded()[daemon]
        came = processes.until(lambda: not processes.alive(process) or ready(), limit_s=limit_s)
        if came and processes.alive(process):
            return
        why = f"was not ready in {limit_s:g} s" if processes.alive(process) else "ended"
        said = last_lines(self._folder.output(daemon)) or last_lines(self._folder.log(daemon))
        raise DevClusterError(f"{daemon} did not come up: it {why}; its last words: {said or '(none)'}")

    def ask(self, *command: str, limit_s: float = 10) -> subprocess.CompletedProcess[str]:
        """Run a command against this cluster; slow counts as failed (without slurmctld a command takes 9 s to fail)."""
        arguments = [find(command[0]), *command[1:]]
        try:
            return subprocess.run(
                arguments, env=self._variables(), capture_output=True, text=True, timeout=limit_s, check=False
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(arguments, 124, "", f"no answer in {limit_s:g} s")

    def answers(self, *command: str) -> bool:
        """Tell whether a command against this cluster succeeds."""
        return self.ask(*command).returncode == 0

    def end(self, daemon: str) -> None:
        """End a daemon and forget it."""
        processes.end(self.recorded()[daemon])
        self.forget(daemon)

    def forget(self, daemon: str) -> None:
        """Remove the record of an ended daemon."""
        self._folder.process_file(daemon).unlink()
        self._children = [child for child in self._children if child.poll() is None]

    def end_all(self) -> None:
        """End every recorded daemon, the last one first, then the steps that its nodes left behind."""
        for daemon in reversed(self.recorded()):
            self.end(daemon)
        for spool in self._folder.spool("*").parent.glob("*"):
            processes.end_steps(spool)

    def _variables(self) -> dict[str, str]:
        """Return our environment, less what an outer Slurm job put there, plus the way to this cluster."""
        outer = ("SLURM", "SBATCH_", "SRUN_", "SALLOC_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(outer)}
        return kept | {"SLURM_CONF": str(self._folder.slurm_conf), "PATH": _search_path()}


def start_munged(daemons: Daemons, folder: ClusterFolder) -> None:
    """Start a munged of our own: its socket, its key."""
    daemons.spawn(
        "munged",
        *("munged", "--foreground", f"--socket={folder.munge_socket}", f"--key-file={folder.munge_key}"),
        *(f"--pid-file={folder.own_pid_file('munged')}", f"--log-file={folder.log('munged')}"),
        *(f"--seed-file={folder.run / 'munge.seed'}", "--num-threads=10"),
    )
    daemons.wait_until("munged", lambda: daemons.answers("munge", "-n", "-S", str(folder.munge_socket)))


def start_database(daemons: Daemons, folder: ClusterFolder, user: str) -> None:
    """Start MariaDB, reached by its socket only, and slurmdbd on it."""
    if not folder.database.is_dir():
        _create_database(daemons, folder, user)
    daemons.spawn(
        "mariadbd",
        *("mariadbd", "--no-defaults", f"--datadir={folder.database}", f"--socket={folder.database_socket}"),
        *("--skip-networking", f"--user={user}", f"--pid-file={folder.own_pid_file('mariadbd')}"),
        *("--performance-schema=OFF", "--skip-log-bin", "--max-connections=20", "--key-buffer-size=1M"),
        *("--aria-pagecache-buffer-size=1M", "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M"),
        *("--innodb-lock-wait-timeout=900", "--innodb-flush-log-at-trx-commit=0"),  # both as slurmdbd likes them
    )
    daemons.wait_until("mariadbd", lambda: _listens(folder.database_socket), limit_s=60)
    # slurmdbd has no setting for the socket; the client library inside it reads this variable
    daemons.spawn("slurmdbd", "slurmdbd", "-D", MYSQL_UNIX_PORT=str(folder.database_socket))
    daemons.wait_until("slurmdbd", lambda: daemons.answers("sacctmgr", "-n", "-i", "list", "cluster"), limit_s=60)


def _create_database(daemons: Daemons, folder: ClusterFolder, user: str) -> None:
    partial = folder.database.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    done = daemons.ask(
        *("mariadb-install-db", "--no-defaults", f"--datadir={partial}", f"--user={user}", "--skip-test-db"),
        *("--auth-root-authentication-method=socket", f"--auth-root-socket-user={user}"),
        limit_s=120,
    )
    if done.returncode:
        raise DevClusterError(f"mariadb-install-db failed: {(done.stdout + done.stderr).strip()}")
    partial.rename(folder.database)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def missing_binaries(*, accounting: bool) -> list[str]:
    """List the programs that a cluster needs and this machine lacks."""
    needed = SLURM_BINARIES + (ACCOUNTING_BINARIES if accounting else ())
    return [name for name in needed if shutil.which(name, path=_search_path()) is None]


def check_binaries(*, accounting: bool) -> None:
    """Raise when programs are missing, naming the line that installs them."""
    missing = missing_binaries(accounting=accounting)
    if missing:
        packages = f"{SLURM_PACKAGES} {ACCOUNTING_PACKAGES}" if accounting else SLURM_PACKAGES
        raise DevClusterError(
            f"not found on this machine: {', '.join(missing)}; on Debian or Ubuntu: "
            f"sudo apt-get install -y --no-install-recommends {packages}"
        )


def find(binary: str) -> str:
    """Return the path of a program."""
    path = shutil.which(binary, path=_search_path())
    if path is None:
        raise DevClusterError(f"{binary} not found on PATH or in the sbin folders")
    return path


def last_lines(path: Path) -> str:
    """Return the end of a log in one line; nothing when there is no log."""
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    return " | ".join(line.strip() for line in lines[-LAST_LINES:])


def _search_path() -> str:
    """Add the folders of daemons, which are not on the PATH of ordinary users in Debian."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
