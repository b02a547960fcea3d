"""Fill the folder of a throw-away cluster: ports, key, devices and configuration; standard library only."""

import json
import os
import pwd
import random
import re
import secrets
import socket
from pathlib import Path

from xstilts_hpc.cluster import devcluster_files as texts
from xstilts_hpc.cluster.devcluster_daemons import Daemons, DevClusterError
from xstilts_hpc.cluster.devcluster_settings import (
    ClusterFolder,
    ClusterSettings,
    ports,
    settings_from_json,
    settings_to_json,
)

BASE_PORTS = range(17_000, 32_000)  # below the ports that Linux gives to outgoing connections
MUNGE_KEY_BYTES = 128


def claim(folder: ClusterFolder) -> None:
    """Create the folder, or make sure that it is ours and a cluster's, for its modes will be set."""
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DevClusterError(f"cannot create {folder.root}: {error.strerror}; choose another with --folder") from error
    if folder.root.stat().st_uid != os.getuid():
        raise DevClusterError(f"{folder.root} belongs to another user; choose another with --folder")
    if not folder.memory.exists() and any(path != folder.lock for path in folder.root.iterdir()):
        raise DevClusterError(f"{folder.root} is not empty and holds no cluster; choose another with --folder")


def fill(settings: ClusterSettings, daemons: Daemons) -> None:
    """Write all that the daemons read."""
    folder, user = ClusterFolder(settings.folder), user_name()
    base_port = _choose_base_port(settings, folder)
    folder.memory.write_text(json.dumps({"settings": settings_to_json(settings), "base_port": base_port}, indent=1))
    for directory, mode in folder.directories.items():
        directory.mkdir(exist_ok=True)
        directory.chmod(mode)
    host = socket.gethostname().partition(".")[0]
    _write(folder.slurm_conf, texts.slurm_conf(settings, base_port=base_port, user=user, host=host), mode=0o644)
    _write(folder.beside_slurm_conf("gres.conf"), texts.gres_conf(settings), mode=0o644)
    _write(folder.beside_slurm_conf("cgroup.conf"), texts.cgroup_conf(_slurm_version(daemons)), mode=0o644)
    slurmdbd_conf = texts.slurmdbd_conf(settings, base_port=base_port, user=user)
    _write(folder.beside_slurm_conf("slurmdbd.conf"), slurmdbd_conf, mode=0o600)  # slurmdbd insists on the mode
    _write(folder.munge_key, secrets.token_hex(MUNGE_KEY_BYTES // 2), mode=0o600)
    for number in range(settings.gpus):
        folder.gpu(number).unlink(missing_ok=True)
        folder.gpu(number).symlink_to("/dev/null")  # slurmd wants a device; a link to one needs no root


def load_settings(folder: ClusterFolder) -> ClusterSettings:
    """Read what the cluster of a folder was started with."""
    if not folder.memory.is_file():
        raise DevClusterError(f"no cluster in {folder.root}; start one: tools/devcluster start --folder {folder.root}")
    return settings_from_json(json.loads(folder.memory.read_text())["settings"])


def load_base_port(folder: ClusterFolder) -> int:
    """Read the first port of the cluster of a folder."""
    return int(json.loads(folder.memory.read_text())["base_port"])


def user_name() -> str:
    """Return the name of this user; Slurm needs one."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        raise DevClusterError(
            f"user {os.getuid()} has no name on this machine (getent passwd); Slurm needs one"
        ) from None


def _choose_base_port(settings: ClusterSettings, folder: ClusterFolder) -> int:
    remembered = [load_base_port(folder)] if folder.memory.exists() else []
    # by chance, not in order: two clusters that start together should not try the same ports
    candidates = random.sample(BASE_PORTS, 50)
    for base_port in remembered + candidates:
        if all(is_free(port) for port in ports(settings, base_port)):
            return base_port
    raise DevClusterError(f"no free ports found between {BASE_PORTS.start} and {BASE_PORTS.stop}")


def is_free(port: int) -> bool:
    """Tell whether nothing listens on a port of the loopback; disturbs nobody who does."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Slurm does: old connections do not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _slurm_version(daemons: Daemons) -> tuple[int, int]:
    said = daemons.ask("slurmctld", "-V").stdout
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None:
        raise DevClusterError(f"slurmctld -V should name a version, said {said!r}")
    return int(found[1]), int(found[2])


def _write(path: Path, text: str, *, mode: int) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
