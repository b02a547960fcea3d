"""What another grid asks of a run while it goes on is answered by the same training; all ranks answer the same."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.tiny import grid_text
from tests.waiting import num_updates
from xstilts_hpc.expand import expand
from xstilts_hpc.grid import load_grid
from xstilts_hpc.machine import Machine
from xstilts_hpc.plan import PlannedRun
from xstilts_hpc.ports import free_port
from xstilts_hpc.run_folder import RunFolder, run_folder
from xstilts_hpc.train.execute import execute

RANK = """
import sys
from pathlib import Path
from xstilts_hpc.ending import end_with
from xstilts_hpc.machine import Machine
from xstilts_hpc.train.execute import execute

end_with(execute, Path(sys.argv[1]), sys.argv[2], Machine(zero_stage=2, threads=1))
"""


def planned(root: Path, languages: str) -> PlannedRun:
    """Return a run of 75 updates that is asked for some languages of XNLI."""
    target, recipe_for = f"{{task: xnli, languages: {languages}}}", "{mnli: {epochs: 50}}"
    text = grid_text(intermediate="[{task: none}]", target=target, recipe_for=recipe_for)
    (root / "grid.yaml").write_text(text, encoding="utf-8")
    (run,) = expand(load_grid(root / "grid.yaml"), root=root).runs.values()
    return run


def prepared(root: Path, run: PlannedRun) -> RunFolder:
    folder = run_folder(root, run.run.id)
    folder.prepare(run.run, run.request)
    return folder


def test_languages_asked_while_a_run_trains_cost_no_second_training(tiny_root: Path) -> None:
    first, more = planned(tiny_root, "[de]"), planned(tiny_root, "[en, sw]")
    folder = prepared(tiny_root, first)

    def ask() -> None:
        while not num_updates(folder):
            time.sleep(0.01)
        prepared(tiny_root, more)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    execute(tiny_root, first.run.id, Machine(zero_stage=0, threads=1), alone=True)
    asking.join()
    assert folder.done(first.request.union(more.request), verify=True)
    assert set(folder.scores()["xnli"]) == {"de", "en", "sw"}
    assert len(folder.attempts()) == 1


def test_a_rank_that_starts_after_more_was_asked_does_what_the_others_do(tiny_root: Path) -> None:
    first, more = planned(tiny_root, "[de]"), planned(tiny_root, "[en, sw]")
    folder, port = prepared(tiny_root, first), free_port()
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "GLOO_SOCKET_IFNAME": "lo"}

    def start(rank: int) -> "subprocess.Popen[str]":
        environment = {**os.environ, **address, "RANK": str(rank), "LOCAL_RANK": str(rank)}
        command = [sys.executable, "-c", RANK, str(tiny_root), first.run.id]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    main = start(0)
    _wait_for_port(port)
    prepared(tiny_root, more)
    other = start(1)
    said = [process.communicate(timeout=200)[1] for process in (main, other)]
    assert (main.returncode, other.returncode) == (0, 0), said
    assert folder.done(first.request.union(more.request), verify=True)


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"nobody listens on port {port}")
