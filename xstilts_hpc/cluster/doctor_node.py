"""What the doctor's job does on the nodes: each rank tries what a run needs, and writes down how that went.

`python -m xstilts_hpc.cluster.doctor_node FOLDER` is run by every rank. A rank's file is written anew after every step,
so one that hangs or dies has said how far it came.
"""

import importlib
import os
import platform
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.doctor_visit import Visit
from xstilts_hpc.cluster.job import rank_variables
from xstilts_hpc.ending import end_with
from xstilts_hpc.files import write_json
from xstilts_hpc.machine import Machine

# torch is imported in the steps: that it cannot be is a finding.
if TYPE_CHECKING:
    from xstilts_hpc.train.ranks import Ranks

_PACKAGES = ("numpy", "h5py", "torch", "transformers", "deepspeed")
_SIGNAL_S = 30.0
# Steps after which a rank that failed is missed by the others.
_COMMON = ("process group", "deepspeed")
_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)


class Notes:
    """What one rank has found so far, written as a whole file after every step."""

    def __init__(self, visit: Visit, rank: int) -> None:
        """Begin with who and where this rank is."""
        self._file = visit.rank(rank)
        self._steps: dict[str, dict[str, Any]] = {}
        self._facts: dict[str, Any] = {"rank": rank, "host": socket.gethostname(), "time": time.time()}
        self._facts["node"] = os.environ.get("SLURMD_NODENAME", "")
        self._facts["job"] = os.environ.get("SLURM_JOB_ID", "")

    def step(self, name: str, do: Callable[[], str]) -> bool:
        """Do one step, and write down what it says or how it failed; return whether it went well."""
        self._write(name)
        try:
            self._steps[name] = {"ok": True, "found": do()}
        except Exception as error:  # noqa: BLE001 - whatever a machine can get wrong is what the doctor reports
            self._steps[name] = {"ok": False, "found": f"{type(error).__name__}: {error}"}
        self._write("")
        return bool(self._steps[name]["ok"])

    def add(self, name: str, value: Any) -> None:
        """Add a fact about this rank."""
        self._facts[name] = value

    def _write(self, doing: str) -> None:
        write_json(self._file, {**self._facts, "steps": self._steps, "doing": doing})


class Heard:
    """The signals that reached this process."""

    def __init__(self) -> None:
        """Listen from now on, to what waited while this process began too."""
        self.names: set[str] = set()
        for number in _SIGNALS:
            signal.signal(number, self._note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _note(self, number: int, _frame: Any) -> None:
        self.names.add(signal.Signals(number).name)


def visit_node(folder: Path) -> int:
    """Do all steps as one rank; return the exit code.

    A step that all ranks take together ends a rank that fails it, and srun ends the others, which would wait for it.
    """
    heard = Heard()
    visit = Visit(folder)
    os.environ.update(rank_variables(os.environ))
    rank = int(os.environ.get("RANK", "0"))
    restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    if restarts:
        if rank == 0:
            write_json(visit.again, {"restarts": restarts, "host": socket.gethostname(), "time": time.time()})
        return 0
    order, notes = visit.order(), Notes(visit, rank)
    notes.step("root", lambda: _read_and_write(visit, rank))
    notes.step("scratch", _scratch)
    if not notes.step("python", _import_packages):
        return 1
    if order["gpus"]:
        notes.step("gpu", lambda: _see_gpus(notes))
    return _together(visit, notes, heard)


def _together(visit: Visit, notes: Notes, heard: Heard) -> int:
    """Do the steps that need all ranks."""
    from xstilts_hpc.train.ranks import join_ranks

    order = visit.order()
    joined: list[Ranks] = []
    steps: dict[str, Callable[[], str]] = {
        "process group": lambda: _join(joined, join_ranks()),
        "deepspeed": lambda: _zero_step(joined[0], Machine(**order["machine"])),
        "scontrol": lambda: _ask_controller(joined[0]),
        "signal": lambda: _signal_all(joined[0], heard),
    }
    for name, do in steps.items():
        if not notes.step(name, do) and name in _COMMON:
            return 1
    joined[0].barrier()
    if order["requeue"] and joined[0].is_main():
        return 0 if notes.step("requeue", _requeue) else 1
    return 0


def _read_and_write(visit: Visit, rank: int) -> str:
    visit.order()
    write_json(visit.folder / f"written-{rank}.json", {"time": time.time()})
    return str(visit.folder)


def _scratch() -> str:
    with tempfile.NamedTemporaryFile(prefix="xstilts-doctor-") as file:
        file.write(b"x" * 1_000_000)
        file.flush()
        os.fsync(file.fileno())
        return str(Path(file.name).parent)


def _import_packages() -> str:
    versions = [f"{name} {importlib.import_module(name).__version__}" for name in _PACKAGES]
    return ", ".join([f"Python {platform.python_version()}", *versions])


def _see_gpus(notes: Notes) -> str:
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        raise RuntimeError(f"torch {torch.__version__} sees no GPU (CUDA_VISIBLE_DEVICES={visible!r})")
    mine = int(os.environ.get("LOCAL_RANK", "0")) % count
    properties = torch.cuda.get_device_properties(mine)
    notes.add("device", str(getattr(properties, "uuid", mine)))
    x = torch.ones(256, 256, device=f"cuda:{mine}")
    if float((x @ x)[0, 0]) != 256:
        raise RuntimeError(f"{properties.name} multiplies wrongly")
    return (
        f"{properties.name}, {properties.total_memory / 1e9:.0f} GB, {count} visible (CUDA_VISIBLE_DEVICES={visible!r})"
    )


def _join(joined: list["Ranks"], ranks: "Ranks") -> str:
    import torch
    import torch.distributed as dist

    joined.append(ranks)
    total = torch.tensor(float(ranks.rank + 1), device=ranks.device)
    dist.all_reduce(total)
    if float(total) != ranks.world * (ranks.world + 1) / 2:
        raise RuntimeError(f"the ranks' numbers add up to {float(total)}")
    return f"{ranks.world} ranks add up by {dist.get_backend()}"


def _zero_step(ranks: "Ranks", machine: Machine) -> str:
    import torch

    from xstilts_hpc.recipe import Recipe
    from xstilts_hpc.train.zero import start_engine

    torch.manual_seed(0)
    recipe = Recipe(batch_size=ranks.world, warmup_fraction=0.0)
    engine = start_engine(torch.nn.Linear(8, 2), recipe, machine, steps=1, world=ranks.world)
    loss = engine(torch.ones(1, 8, device=ranks.device)).float().square().mean()
    engine.backward(loss)
    engine.step()
    if engine.global_steps != 1:
        raise RuntimeError("the engine made no step")
    engine.destroy()
    return f"one step at ZeRO stage {machine.zero_stage} in {machine.precision}"


def _ask_controller(ranks: "Ranks") -> str:
    if not ranks.is_main():
        return ""
    _unsignalled(["scontrol", "show", "job", os.environ["SLURM_JOB_ID"]])
    return "answers on the node"


def _signal_all(ranks: "Ranks", heard: Heard) -> str:
    heard.names.clear()
    ranks.barrier()
    if ranks.is_main():
        _unsignalled(["scancel", "--signal=USR2", os.environ["SLURM_JOB_ID"]])
    started = time.monotonic()
    while not heard.names and time.monotonic() - started < _SIGNAL_S:
        time.sleep(0.05)
    waited = time.monotonic() - started
    ranks.barrier()  # a rank that left before would be missed by the others
    if not heard.names:
        raise RuntimeError(f"no signal came in {_SIGNAL_S:g} s after scancel --signal=USR2")
    return f"{', '.join(sorted(heard.names))} after {waited:.1f} s"


def _requeue() -> str:
    _unsignalled(["scontrol", "requeue", os.environ["SLURM_JOB_ID"]])
    return "asked for"


def _unsignalled(command: list[str]) -> None:
    """Run a command of Slurm that a signal to this job's processes does not end: children inherit what is blocked."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        slurm.answer(command)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


if __name__ == "__main__":
    end_with(visit_node, Path(sys.argv[1]))
