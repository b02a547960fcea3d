"""Runs of one array element side by side on one GPU: each in a process of its own, forked from the element's."""

import importlib
import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import FrameType

from xstilts_hpc.cluster.job import STOPPED, call
from xstilts_hpc.cluster.life import Element, Life
from xstilts_hpc.cluster.local_process import end_with_parent, gpus_here, preload
from xstilts_hpc.cluster.submission import Submission
from xstilts_hpc.errors import ModelError, RunError
from xstilts_hpc.machine import Machine
from xstilts_hpc.run import Run

logger = logging.getLogger(__name__)
_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
# A driver that a process has touched is of no use to its forks.
_COUNT_WITHOUT_DRIVER = "PYTORCH_NVML_BASED_CUDA_CHECK"
_WAIT_FOR_LISTENER = (signal.SIGUSR1, signal.SIGUSR2)


def how_many(root: Path, runs: Sequence[Run], machine: Machine) -> int:
    """Return how many of some runs go at once on a GPU: `runs_per_gpu`, or fewer where its memory holds no more."""
    wanted = min(max(1, len(runs)), machine.runs_per_gpu)
    if wanted < 2 or not gpus_here():
        return wanted
    os.environ[_COUNT_WITHOUT_DRIVER] = "1"  # before torch is imported, which may count GPUs
    from xstilts_hpc.train.share import runs_that_fit_here  # torch, where there is a GPU to ask

    try:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            fitting = pool.submit(runs_that_fit_here, root, runs, machine, wanted).result()
    except (ModelError, RunError):
        return wanted  # the runs say it themselves, each in its record
    if fitting < wanted:
        logger.warning("%d runs at once instead of %d: the free memory of the GPU holds no more", fitting, wanted)
    return fitting


def shared_machine(machine: Machine, at_once: int) -> Machine:
    """Return what each of several runs has of a machine: its part of the CPU threads, and of the GPU's memory."""
    return replace(machine, runs_per_gpu=at_once, threads=max(1, machine.threads // at_once))


def run_side_by_side(record: Submission, run_ids: Sequence[str], at_once: int) -> int:
    """Execute the runs of an element, so many at a time; return the exit code, as for runs one after another.

    A run starts when its parent in the element is done. The signals of Slurm reach every run; when one has stopped,
    none starts any more, and when all have ended Slurm is asked for another start where that follows. A run that fails
    leaves its neighbours alone.
    """
    machine = shared_machine(record.machine, at_once)
    os.environ.update({"OMP_NUM_THREADS": str(machine.threads), _COUNT_WITHOUT_DRIVER: "1"})
    for name in preload(record.entry, gpus=bool(gpus_here())):
        with suppress(ImportError):  # the run says it itself
            importlib.import_module(name)
    element = Element.here()
    lives = {run_id: Life.of(record, run_id, element) for run_id in run_ids}
    lanes = _Lanes(lives, machine, at_once)
    with _handed_on(lanes):
        lanes.work()
    return lanes.settled()


@dataclass
class _Lanes:
    """The runs of an element by what has become of them; `signals` are those that came for the element."""

    lives: Mapping[str, Life]
    machine: Machine
    at_once: int
    signals: list[int] = field(default_factory=list)
    active: dict[str, ForkProcess] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)

    def work(self) -> None:
        """Execute the runs until none is left, or until they were asked to stop."""
        self.codes = {run_id: 0 for run_id, life in self.lives.items() if life.is_done()}
        self.waiting = [run_id for run_id in self.lives if run_id not in self.codes]
        self._fill()
        while self.active:
            multiprocessing.connection.wait([process.sentinel for process in self.active.values()])
            for run_id, process in list(self.active.items()):
                if process.exitcode is not None:
                    del self.active[run_id]
                    self.codes[run_id] = process.exitcode
            self._fill()

    def settled(self) -> int:
        """Have Slurm start the element again where a run that stopped is to go on; return the exit code."""
        stopped = [self.lives[run_id] for run_id, code in self.codes.items() if code == STOPPED]
        again = [life for life in stopped if life.settle().again]
        if again and again[0].element.requeue():
            return 0
        for life in again:
            life.will_not_start()
        failed = [code for code in self.codes.values() if code]
        if not failed:
            return RunError.exit_code if self.waiting else 0
        return RunError.exit_code if failed[0] == STOPPED else failed[0] if failed[0] > 0 else 128 - failed[0]

    def _fill(self) -> None:
        """Start runs whose parent is done, as far as there is room and nobody asked to stop."""
        for run_id in list(self.waiting):
            parent = self.lives[run_id].folder.run().parent
            if len(self.active) == self.at_once or self._ends():
                return
            if parent not in self.waiting and parent not in self.active:
                self.waiting.remove(run_id)
                self._begin(run_id, parent)

    def _ends(self) -> bool:
        """Say whether no further run starts: one has stopped, or all are asked to.

        Where USR1 or USR2 came as the last runs ended, the next ones get it: their records then say what follows.
        """
        stopped = any(code == STOPPED or (code < 0 and self.signals) for code in self.codes.values())
        return stopped or signal.SIGTERM in self.signals or bool(self.signals and self.active)

    def _begin(self, run_id: str, parent: str) -> None:
        """Start a run, unless it is given up: then say why."""
        life, why = self.lives[run_id], ""
        if life.is_over():
            why = "passed over: an earlier start gave it up"
        elif self.codes.get(parent):
            why = f"passed over: its parent {parent} is not done"
        elif not (before := life.close_lost()).again:
            why = f"not started again: {before.text}"
        if why:
            sys.stderr.write(f"run {run_id} is {why}\n")
            self.codes[run_id] = RunError.exit_code
            return
        context = multiprocessing.get_context("fork")
        process = context.Process(target=_execute, args=(life.submission, run_id, self.machine), name=run_id)
        before_mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        process.start()
        self.active[run_id] = process
        signal.pthread_sigmask(signal.SIG_SETMASK, before_mask)
        for number in self.signals:
            os.kill(process.pid or 0, number)


def _execute(record: Submission, run_id: str, machine: Machine) -> None:
    """Execute a run in this child process. USR1 and USR2 wait until it listens, TERM ends it until then."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, _WAIT_FOR_LISTENER)
    end_with_parent()
    sys.exit(call(record.entry, record.root, run_id, machine))


@contextmanager
def _handed_on(lanes: _Lanes) -> Iterator[None]:
    """Hand signals on to all runs inside the block; Slurm may have sent them to the runs too, which does no harm."""

    def hand_on(number: int, _frame: FrameType | None) -> None:
        lanes.signals.append(number)
        for process in lanes.active.values():
            with suppress(ProcessLookupError):
                os.kill(process.pid or 0, number)

    before = {number: signal.signal(number, hand_on) for number in _SIGNALS}
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
