"""The verbs of tools/devcluster, the command line of a throw-away cluster; standard library only."""

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from xstilts_hpc.cluster.devcluster import DevCluster
from xstilts_hpc.cluster.devcluster_daemons import DevClusterError, missing_binaries
from xstilts_hpc.cluster.devcluster_settings import ClusterFolder, ClusterSettings, default_folder

EXIT_CODE = 5
SIZES = {
    "nodes": "nodes",
    "cpus": "CPUs of a node, as many as wished",
    "gpus": "pretended GPUs of a node",
    "memory_mb": "memory of a node",
    "max_array_size": "Slurm's MaxArraySize: the largest index of an array is one less",
    "min_job_age_s": "seconds that squeue still lists a finished job",
}


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
        accounting=_accounting(options.accounting),
        extra=tuple(options.extra),
        **{name: getattr(options, name) for name in SIZES},
    )
    begin = time.monotonic()
    if not DevCluster(settings).start():
        return f"already running\n{DevCluster.load(options.folder).describe()}", 0
    folder = "" if options.folder == default_folder() else f" --folder {options.folder}"
    return f"up in {time.monotonic() - begin:.1f} s; next: eval $(tools/devcluster env{folder})", 0


def _accounting(wish: str) -> bool:
    """Return whether to start slurmdbd: where its programs are installed, unless it was said."""
    return wish == "yes" or (wish == "auto" and not missing_binaries(accounting=True))


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


def _restart_controller(options: argparse.Namespace) -> tuple[str, int]:
    cluster = DevCluster.load(options.folder)
    cluster.stop_controller(crash=options.crash)
    time.sleep(options.after)
    cluster.start_controller()
    return "slurmctld answers again", 0


_VERBS: dict[str, Callable[[argparse.Namespace], tuple[str, int]]] = {
    "start": _start,
    "stop": _stop,
    "status": _status,
    "env": _env,
    "kill-node": _kill_node,
    "revive-node": _revive_node,
    "restart-controller": _restart_controller,
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
    restart = verbs.add_parser("restart-controller", help="end slurmctld and start it again; jobs go on meanwhile")
    for verb in (start, stop, status, env, kill, revive, restart):
        verb.add_argument("--folder", type=_absolute, default=default_folder(), help="default: %(default)s")
    for verb in (kill, revive):
        verb.add_argument("number", type=int, metavar="N", help="1 is the first node")
    kill.add_argument("--unnoticed", action="store_true", help="let slurmctld find out itself (half a minute)")
    restart.add_argument("--crash", action="store_true", help="kill it, so that it loses its last seconds")
    restart.add_argument("--after", type=float, default=0.0, metavar="SECONDS", help="leave it away for so long")
    _add_settings(start)
    return parser


def _add_settings(start: argparse.ArgumentParser) -> None:
    start.add_argument(
        "--accounting",
        choices=("auto", "yes", "no"),
        default="auto",
        help="slurmdbd with a database; auto: where both are installed (default)",
    )
    for name, meaning in SIZES.items():
        flag = f"--{name.replace('_', '-')}"
        start.add_argument(
            flag, type=int, default=getattr(ClusterSettings, name), help=f"{meaning}; default: %(default)s"
        )
    start.add_argument("--extra", action="append", default=[], metavar="LINE", help="one more line for slurm.conf")


def _absolute(text: str) -> Path:
    return Path(text).absolute()
