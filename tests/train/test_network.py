"""A run reaches its cluster and nothing else: what leads out is an error that names the address and the caller."""

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tasks.test_plugins import install
from tests.tiny import grid_text, write_tiny_data
from xstilts_hpc.errors import RunError
from xstilts_hpc.expand import expand
from xstilts_hpc.grid import load_grid
from xstilts_hpc.machine import Machine
from xstilts_hpc.run_folder import run_folder
from xstilts_hpc.train.execute import execute
from xstilts_hpc.train.network import ALLOWED, cluster_only
from xstilts_hpc.train.work import Work
from xstilts_hpc.version import package_top

PUBLIC, PRIVATE = "1.1.1.1", "10.0.0.9"
READER = """
import urllib.request
from dataclasses import replace
from xstilts_hpc.tasks import TASKS
def parse(paths, language):
    urllib.request.urlopen("http://files.invalid/x")
MOOD = replace(TASKS["mnli"], name="mood", title="Mood", training_set="mood", downloads=(), translations={},
               sources=tuple(replace(source, parse=parse) for source in TASKS["mnli"].sources))
"""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("http_proxy", "https_proxy", "all_proxy")
    for name in (ALLOWED, "MASTER_ADDR", "SLURMD_NODENAME", *names, *map(str.upper, names)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "gethostname", lambda: "n1.hpc.example.edu")


@pytest.fixture
def inside() -> Iterator[None]:
    with cluster_only():
        yield


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("host", [PUBLIC, "2606:4700::1111", f"::ffff:{PUBLIC}", "files.invalid", b"files.invalid"])
def test_a_host_of_the_world_is_refused_and_the_caller_named(host: str | bytes) -> None:
    name = host if isinstance(host, str) else host.decode()
    with pytest.raises(RunError, match=rf"{__file__}:\d+ asks the network for {name}, port 443: .*{ALLOWED}=1"):
        socket.getaddrinfo(host, 443)


@pytest.mark.usefixtures("inside")
def test_an_address_needs_no_looking_up_to_be_refused() -> None:
    with socket.socket() as sock:
        sock.setblocking(False)
        with pytest.raises(RunError, match=f"asks the network for {PUBLIC}, port 443"):
            sock.connect((PUBLIC, 443))


@pytest.mark.usefixtures("inside")
def test_the_caller_is_not_the_library_that_it_calls() -> None:
    with pytest.raises(RunError, match=rf"{__file__}:\d+ asks the network for files.invalid, port 80"):
        urllib.request.urlopen("http://files.invalid/x")


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", PRIVATE, "169.254.1.2", "fe80::1", None])
def test_addresses_that_do_not_leave_the_cluster_pass(host: str | None) -> None:
    assert socket.getaddrinfo(host, 443)


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("name", ["n7.hpc.example.edu", "main.invalid"])
def test_names_of_the_cluster_pass_and_may_be_unknown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", "main.invalid")
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port: sys.audit("socket.getaddrinfo", host, port, 0, 0, 0))
    socket.getaddrinfo(name, 443)


@pytest.mark.usefixtures("inside")
def test_the_nodes_of_a_job_pass_at_public_addresses_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", PUBLIC)
    assert socket.getaddrinfo(PUBLIC, 20_000)


@pytest.mark.usefixtures("inside")
def test_sockets_within_the_machine_pass(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as asker:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        asker.connect(str(tmp_path / "s"))


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("proxy", [f"http://me:secret@{PRIVATE}:3128", f"{PRIVATE}:3128"])
def test_a_proxy_leads_out_wherever_it_is(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(RunError, match=f"asks the network for {PRIVATE}, port 3128"):
        socket.getaddrinfo(PRIVATE, 3128)


def test_who_means_it_has_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOWED, "1")
    with cluster_only():
        assert socket.getaddrinfo(PUBLIC, 443)


def test_before_and_after_a_run_nothing_is_refused() -> None:
    with cluster_only():
        pass
    assert socket.getaddrinfo(PUBLIC, 443)


def test_a_run_that_reaches_out_fails_and_its_record_says_why(tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reaching(work: Work) -> None:
        urllib.request.urlopen("http://files.invalid/x")

    monkeypatch.setattr("xstilts_hpc.train.execute.predict_all", reaching)
    (tiny_root / "grid.yaml").write_text(grid_text(intermediate="[{task: none}]", target="{task: tatoeba}"))
    (planned,) = expand(load_grid(tiny_root / "grid.yaml"), root=tiny_root).runs.values()
    folder = run_folder(tiny_root, planned.run.id)
    folder.prepare(planned.run, planned.request)
    with pytest.raises(RunError, match=r"asks the network for files\.invalid, port 80"):
        execute(tiny_root, planned.run.id, Machine(threads=1), alone=True)
    (record,) = folder.attempts()
    assert (record["cause"], "asks the network" in record["error"]) == ("failed", True)


def test_a_reader_that_reaches_out_is_refused_when_its_grid_is_planned(tiny_root: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    install(site, "moods", READER, "mood = moods:MOOD")
    write_tiny_data(tiny_root / "data")
    (tiny_root / "grid.yaml").write_text(grid_text(intermediate="[{task: mood}]", target="{task: xnli}"))
    command = [sys.executable, "-m", "xstilts_hpc", "plan", str(tiny_root / "grid.yaml"), "--root", str(tiny_root)]
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{package_top()}"}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == RunError.exit_code
    assert found.stderr.startswith(f"error: {site / 'moods.py'}:6 asks the network for files.invalid, port 80: ")
