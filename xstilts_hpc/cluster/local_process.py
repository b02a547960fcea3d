"""One run in processes of its own on this machine: started from a server that has the heavy imports done already."""

import multiprocessing
import multiprocessing.connection
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from xstilts_hpc.cluster.job import call
from xstilts_hpc.cluster.submission import EXECUTE
from xstilts_hpc.lease import HeldError
from xstilts_hpc.machine import Machine
from xstilts_hpc.ports import free_port

# What a run imports only as it goes: 5 s each time (measured), unless the process it is forked from has it.
_LAZY = (
    "transformers.models.xlm_roberta.modeling_xlm_roberta",
    "transformers.models.xlm_roberta.tokenization_xlm_roberta",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "torch._dynamo",
    "deepspeed",
    "deepspeed.ops",
)
_PACKAGE_FOLDER = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Order:
    """What a child process is to do: `variables` by rank, and what it hands to `entry`."""

    entry: str
    root: Path
    run_id: str
    machine: Machine
    log: Path
    variables: tuple[Mapping[str, str], ...]


@contextmanager
def server(
    variables: Mapping[str, str], preload: Sequence[str]
) -> Iterator[Callable[[Order], list[ForkServerProcess]]]:
    """Yield a function that starts a run's processes, forked from one server that has imported the modules `preload`.

    Importing torch, transformers and deepspeed takes 6 to 10 s; a fork of a process that has them takes 0.1 s. The
    server takes its environment, so the number of threads too, from this process at its start.
    """
    before = dict(os.environ)
    python_path = os.pathsep.join(filter(None, (str(_PACKAGE_FOLDER), os.environ.get("PYTHONPATH", ""))))
    # a CUDA driver touched by the server would be unusable in its forks: let torch count GPUs without it
    os.environ.update({"PYTORCH_NVML_BASED_CUDA_CHECK": "1", **variables, "PYTHONPATH": python_path})
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*preload, __name__])

    def start(order: Order) -> list[ForkServerProcess]:
        _ensure_running()
        processes = [context.Process(target=_work, args=(order, rank)) for rank in range(len(order.variables))]
        for process in processes:
            process.start()
        return processes

    try:
        yield start
    finally:
        _stop_server()
        os.environ.clear()
        os.environ.update(before)


def _ensure_running() -> None:
    """Start the server if it does not run; it inherits that Ctrl-C is held back, which would end it as it imports."""
    from multiprocessing import forkserver, resource_tracker

    resource_tracker.ensure_running()  # starting it lets Ctrl-C through again, so that it must be there before
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop_server() -> None:
    """Stop the server, so that the next pool's has its own environment; as multiprocessing's own tests do."""
    from multiprocessing import forkserver

    stop: Callable[[], None] = getattr(forkserver, "_forkserver")._stop  # noqa: B009 (private, no public way)
    stop()


def rank_variables(num_ranks: int, gpus: Sequence[str]) -> tuple[dict[str, str], ...]:
    """Return the variables of torch.distributed for each rank, and its GPUs, without which it sees none.

    One rank alone needs no rendezvous.
    """
    devices = {"CUDA_VISIBLE_DEVICES": ",".join(gpus)}
    if num_ranks == 1:
        return (devices,)
    group = {
        **devices,
        "WORLD_SIZE": str(num_ranks),
        "LOCAL_WORLD_SIZE": str(num_ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
    }
    return tuple({**group, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(num_ranks))


def gpus_here() -> list[str]:
    """Return the GPUs this process may use, without loading a driver."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [gpu for gpu in visible.split(",") if gpu and gpu != "-1"]
    found = (re.fullmatch(r"nvidia(\d+)", path.name) for path in Path("/dev").glob("nvidia*"))
    return sorted((match[1] for match in found if match), key=int)


def preload(entry: str, *, gpus: bool) -> list[str]:
    """Return the modules worth importing once; DeepSpeed's import may touch a GPU's driver, which no fork survives."""
    lazy = _LAZY if entry == EXECUTE else ()
    return [entry.partition(":")[0], *(name for name in lazy if not (gpus and name.startswith("deepspeed")))]


def _work(order: Order, rank: int) -> None:
    """Do an order in this child process; the exit code says how it went."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the pool, which tells us by SIGTERM
    signal.signal(signal.SIGTERM, _leave)
    _redirect(order.log)
    end_with_parent()
    _heed_python_path()
    os.environ.update(order.variables[rank])
    # who is refused is told by the pool: the log is that of who executes the run
    sys.exit(call(order.entry, order.root, order.run_id, order.machine, silent=(HeldError,)))


def _heed_python_path() -> None:
    """Find modules where PYTHONPATH says: since Python 3.13.1 the server looks only where its parent did."""
    folders = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [folder for folder in folders if folder and folder not in sys.path]


def _leave(_number: int, _frame: Any) -> None:
    """End through the usual exits, so that half-written files are removed."""
    sys.exit(128 + signal.SIGTERM)


def _redirect(log: Path) -> None:
    """Let standard output and error of this process append to the log, C libraries' too."""
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


def end_with_parent() -> None:
    """End this process when the one that started it is gone, however it went: else the run might start twice."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
