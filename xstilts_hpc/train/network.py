"""Runs use no network but their cluster's: a call of Python's sockets that leads out of it is an error at once."""

import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from xstilts_hpc.errors import RunError

# Set to 1 by who adds something that is meant to talk to the world, such as a tracker of experiments.
ALLOWED = "XSTILTS_ALLOW_NETWORK"
_LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_NODES = ("MASTER_ADDR", "SLURMD_NODENAME")
_PACKAGE = __name__.partition(".")[0]
# How many blocks of cluster_only this process is in, and the names of this cluster that were looked up there.
_inside = 0
_looked_up: set[str] = set()


@contextmanager
def cluster_only() -> Iterator[None]:
    """Refuse, inside the block, whatever leads out of this cluster: a RunError says what, and who called.

    What passes: loopback, private and link-local addresses; names without a dot, of this machine's domain, or of the
    job's nodes, whatever their addresses; sockets that are not of the internet. Compiled code is not looked at (NCCL,
    gloo).
    """
    global _inside
    if os.environ.get(ALLOWED) == "1":
        yield
        return
    _watch()
    _inside += 1
    try:
        yield
    finally:
        _inside -= 1


@cache
def _watch() -> None:
    """Listen to what this process does, once: a hook cannot be taken away again."""
    sys.addaudithook(_heed)


def _heed(event: str, arguments: tuple[Any, ...]) -> None:
    if not _inside or not event.startswith("socket."):
        return
    if event == "socket.connect" and _sends(arguments[0]):
        _check(*arguments[1][:2])
    elif event in _LOOKUPS:
        _check(*arguments[:2] if event == _LOOKUPS[0] else arguments[:1])


def _sends(sock: socket.socket) -> bool:
    """Say whether connecting a socket sends something; one for datagrams is connected to learn one's own address."""
    return sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM


def _check(host: str | bytes | None, port: object = "") -> None:
    name = host.decode(errors="replace") if isinstance(host, bytes) else host or ""
    if (name, str(port)) not in _proxies() and _is_ours(name):
        return
    raise RunError(
        f"{_caller()} asks the network for {name}{f', port {port}' if port else ''}: runs, and what plans them, use "
        "none but the cluster's own, since compute nodes often have no other; get data and models on the login node "
        f"(xstilts data fetch, xstilts model fetch), or set {ALLOWED}=1 (in the profile's environment) if this call "
        "is meant"
    )


def _is_ours(name: str) -> bool:
    """Say whether a name or an address is one of this cluster's."""
    if name in _nodes():
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        ours = "." not in name or name.endswith((".localdomain", *_domains()))
        if ours and name:
            _looked_up.add(name)
        return ours
    mapped = getattr(address, "ipv4_mapped", None) or address
    return not mapped.is_global or any(str(mapped) in _addresses(node) for node in [*_nodes(), *_looked_up])


def _nodes() -> list[str]:
    """Return the names (or addresses) of this machine and of the job's main node."""
    return [socket.gethostname(), *(os.environ[name] for name in _NODES if os.environ.get(name))]


def _domains() -> list[str]:
    """Return the domains of those names with the dot before them: of two parts or more, since `.org` says nothing."""
    domains = [name.partition(".")[2] for name in _nodes()]
    return [f".{domain}" for domain in domains if "." in domain and not domain.replace(".", "").isdigit()]


@cache
def _addresses(name: str) -> frozenset[str]:
    with suppress(OSError):
        return frozenset(str(found[4][0]) for found in socket.getaddrinfo(name, None))
    return frozenset()


def _proxies() -> set[tuple[str, str]]:
    """Return host and port of the proxies that the environment names: they lead out, also from a private address."""
    said = (os.environ.get(name) or os.environ.get(name.upper(), "") for name in _PROXIES)
    places = [urlsplit(proxy if "//" in proxy else f"//{proxy}").netloc.rpartition("@")[2] for proxy in said]
    return {(host.strip("[]"), port) for host, _, port in (place.rpartition(":") for place in places)} - {("", "")}


def _caller() -> str:
    """Return file and line of who called: of others' code what ours called, else the innermost that is no library's."""
    found: list[str] = []
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        top = name.partition(".")[0]
        if top == _PACKAGE and found:
            return found[-1]
        if name != __name__ and top not in sys.stdlib_module_names:
            found.append(f"{frame.f_code.co_filename}:{frame.f_lineno}")
        frame = frame.f_back
    return found[0] if found else "a thread of the standard library"
