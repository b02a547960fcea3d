"""Where the ranks of one run find each other, also where somebody else listens on the port they were to use."""

import hashlib
import os
import socket
import threading
import time
from datetime import timedelta

import torch.distributed as dist
from torch._C._distributed_c10d import Store, TCPStore

_NUM_PORTS = 16
# What the ranks of one start of one run have in common, and no other run has.
_SHARED = (
    *("SLURM_CLUSTER_NAME", "SLURM_JOB_ID", "SLURM_RESTART_COUNT", "SLURM_STEP_ID", "SLURM_SRUN_COMM_PORT"),
    *("XSTILTS_POOL", "MASTER_ADDR", "MASTER_PORT"),
)
_NAME_BYTES, _PORT_BYTES = hashlib.sha256().digest_size, 2
_ANSWER_S = 2.0


def meet(rank: int, world: int, *, patience: timedelta) -> Store:
    """Collective. Return the store of this run's ranks, at MASTER_ADDR.

    Jobs of two clusters, or anybody's program, may hold MASTER_PORT there. So the store takes a port that is free,
    and the main rank says which on the first free one of some ports from MASTER_PORT, to those who name the run. The
    others ask port after port until one gives the run's name back: no rank joins the ranks of another run.

    Raises:
        dist.DistNetworkError: all ports are taken, or the main rank was not found in time.
    """
    host, first = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    ports = range(first, min(first + _NUM_PORTS, 1 << 16))
    name = hashlib.sha256("/".join(os.environ.get(variable, "") for variable in _SHARED).encode()).digest()
    if rank:
        return TCPStore(host, _find(host, ports, name, patience), world, timeout=patience, wait_for_workers=False)
    store = TCPStore(host, 0, world, is_master=True, timeout=patience, wait_for_workers=False)
    listener = _listen(host if host == "127.0.0.1" else "", ports)
    threading.Thread(target=_tell, args=(listener, name, store.port, world - 1), daemon=True).start()
    return store


def _listen(address: str, ports: range) -> socket.socket:
    for port in ports:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
            listener.listen()
        except OSError:
            listener.close()
        else:
            return listener
    raise dist.DistNetworkError(f"ports {ports[0]} to {ports[-1]} are all taken on this node; start the run again")


def _tell(listener: socket.socket, name: bytes, port: int, num_others: int) -> None:
    """Tell the other ranks where the store is; whoever names another run, or nothing, is told nothing."""
    with listener:
        while num_others:
            asker, _ = listener.accept()
            with asker:
                asker.settimeout(_ANSWER_S)
                try:
                    if _read(asker, _NAME_BYTES) == name:
                        asker.sendall(name + port.to_bytes(_PORT_BYTES))
                        num_others -= 1
                except OSError:
                    continue


def _find(host: str, ports: range, name: bytes, patience: timedelta) -> int:
    """Return the port of the run's store, asking each port again and again."""
    deadline = time.monotonic() + patience.total_seconds()
    while time.monotonic() < deadline:
        for port in ports:
            try:
                with socket.create_connection((host, port), timeout=_ANSWER_S) as asked:
                    asked.sendall(name)
                    answer = _read(asked, _NAME_BYTES + _PORT_BYTES)
            except OSError:
                continue
            if answer[:_NAME_BYTES] == name and len(answer) == _NAME_BYTES + _PORT_BYTES:
                return int.from_bytes(answer[_NAME_BYTES:])
        time.sleep(0.1)
    raise dist.DistNetworkError(f"the main rank was not found on {host}, ports {ports[0]} to {ports[-1]}")


def _read(connection: socket.socket, num_bytes: int) -> bytes:
    """Return so many bytes, or fewer where the other side ends before."""
    data = b""
    while len(data) < num_bytes and (more := connection.recv(num_bytes - len(data))):
        data += more
    return data
