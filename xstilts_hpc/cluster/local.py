"""A pool on this machine: a plan's undone runs in their own processes, parents before children."""

import multiprocessing.connection
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Protocol

from xstilts_hpc.causes import Cause
from xstilts_hpc.cluster.life import settle_here
from xstilts_hpc.cluster.local_process import Order, gpus_here, preload, rank_variables, server
from xstilts_hpc.cluster.profile import Profile
from xstilts_hpc.cluster.schedule import Schedule
from xstilts_hpc.cluster.side_by_side import how_many
from xstilts_hpc.cluster.submission import EXECUTE, lock, prepare_all
from xstilts_hpc.cluster.succession import USUAL, Terms, check_succession, put_on_record
from xstilts_hpc.cluster.verdict import Verdict
from xstilts_hpc.errors import IncompleteError, LockError, ProfileError, XstiltsError
from xstilts_hpc.lease import seems_held
from xstilts_hpc.plan import Plan, PlannedRun
from xstilts_hpc.run_folder import RunFolder, run_folder

_TICK_S = 0.5  # how late a Ctrl-C is noticed
_GRACE_S = 10.0  # between asking and killing the other ranks of a run that lost one


class Progress(Protocol):
    """What the pool tells as it goes; `begin` and `end` frame everything else."""

    def begin(self, total: int) -> None:
        """Take the number of runs to do."""

    def started(self, run: PlannedRun) -> None:
        """Take a run whose processes started."""

    def finished(self, run: PlannedRun, seconds: float) -> None:
        """Take a run that is done."""

    def failed(self, run: PlannedRun, reason: str) -> None:
        """Take a run that failed, and why."""

    def again(self, run: PlannedRun, reason: str) -> None:
        """Take a run that ended and is to start once more."""

    def left(self, run: PlannedRun, state: str, why: str) -> None:
        """Take a run that is not done and did not fail: how it stands, and why."""

    def end(self) -> None:
        """Take that the pool has ended."""


def run_local(
    plan: Plan, root: Path, profile: Profile, *, progress: Progress, entry: str = EXECUTE, terms: Terms = USUAL
) -> int:
    """Do what is not done, `slots` runs at a time; return 0, or 4 where something was left undone.

    Ctrl-C once asks the running processes to save and stop and waits for them, twice kills them. Causes and budgets are
    those of an element of Slurm: a killed run starts again.
    """
    if profile.kind != "local":
        raise ProfileError(f"profile {profile.name!r} is of kind {profile.kind}; running here needs one of kind local")
    root = root.resolve()
    at_once = how_many(root, [planned.run for planned in plan.runs.values()], profile.machine())
    profile = profile.model_copy(update={"runs_per_gpu": at_once})
    slots = slots_of(profile, gpus_here())
    with lock(root, plan.name):
        check_succession(plan, root, terms)
        todo = _todo(plan, plan.done(root), terms.only)
        put_on_record(plan, root)
        prepare_all(plan, root, [planned.run.id for planned in todo])
        # without GPUs DeepSpeed would look for some, and warn that there are none
        variables = profile.variables() if any(slots) else {"DS_ACCELERATOR": "cpu", **profile.variables()}
        with server(variables, preload(entry, gpus=any(slots))) as start, _count_interrupts() as interrupts:
            pool = _Pool(Schedule(todo), _Starter(root, profile, start, entry), slots, progress)
            progress.begin(len(todo))
            try:
                complete = pool.work(interrupts)
            finally:
                progress.end()
    return 0 if complete else IncompleteError.exit_code


def _todo(plan: Plan, done: Collection[str], only: Collection[str]) -> list[PlannedRun]:
    """Return the runs to do, parents first; a run whose parent is neither done nor to do waits for another time."""
    chosen: dict[str, PlannedRun] = {}
    for run_id, planned in plan.runs.items():
        parent = planned.run.parent
        wanted = run_id not in done and (not only or run_id in only)
        if wanted and (not parent or parent in done or parent in chosen):
            chosen[run_id] = planned
    return list(chosen.values())


@contextmanager
def _count_interrupts() -> Iterator[list[float]]:
    """Yield the list of times of Ctrl-C; the pool looks at it between two waits."""
    times: list[float] = []
    if threading.current_thread() is not threading.main_thread():
        yield times
        return
    before = signal.signal(signal.SIGINT, lambda _number, _frame: times.append(time.monotonic()))
    try:
        yield times
    finally:
        signal.signal(signal.SIGINT, before)


def slots_of(profile: Profile, gpus: Sequence[str]) -> list[list[str]]:
    """Return the GPUs of each slot, `runs_per_gpu` slots for each; runs on CPUs have slots without any."""
    usable = list(gpus if profile.gpus_per_node is None else gpus[: profile.gpus_per_node])
    if usable and profile.num_ranks > len(usable):
        raise ProfileError(
            f"profile {profile.name!r}: {profile.num_ranks} ranks need as many GPUs, here: {len(usable)}"
        )
    if usable:
        ranks = profile.num_ranks
        slots = [usable[i : i + ranks] for i in range(0, len(usable) - ranks + 1, ranks)] * profile.runs_per_gpu
        return slots[: profile.slots] if profile.slots else slots
    cores = len(os.sched_getaffinity(0))
    return [[]] * (profile.slots or max(1, cores // (profile.num_threads * profile.num_ranks)))


@dataclass
class _Active:
    """A run that is going on."""

    planned: PlannedRun
    folder: RunFolder
    processes: list[ForkServerProcess]
    log_start: int
    slot: list[str]
    start_s: float = field(default_factory=time.monotonic)
    stop_s: float = 0.0

    def alive(self) -> list[ForkServerProcess]:
        """Return the processes that have not ended."""
        return [process for process in self.processes if process.exitcode is None]

    def lost_one(self) -> bool:
        """Say whether a process has failed, so that the others would wait for it in vain."""
        return any(process.exitcode for process in self.processes)

    def stop(self, *, wait: bool = False) -> None:
        """Ask the processes to stop, once; unless told to wait for them, kill those that still live a while after."""
        if not self.stop_s:
            self.stop_s = time.monotonic()
            for process in self.alive():
                process.terminate()
        elif not wait and time.monotonic() > self.stop_s + _GRACE_S:
            self.kill()

    def kill(self) -> None:
        """Kill the processes."""
        for process in self.alive():
            process.kill()

    def is_elsewhere(self) -> bool:
        """Say whether the run was refused to the processes, because others execute it."""
        return any(process.exitcode == LockError.exit_code for process in self.processes)

    def is_done(self) -> bool:
        """Say whether the run left what was asked, every process of it in order."""
        return not any(process.exitcode for process in self.processes) and self.folder.done(self.planned.request)

    def reason(self) -> str:
        """Return why the run is not done: the last line of its log."""
        codes = [process.exitcode for process in self.processes if process.exitcode]
        log = self.folder.log
        with log.open("rb") as file:
            file.seek(self.log_start)
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
        how = f"exit code {codes[0]}" if codes else "ended, but its DONE.json does not hold what was asked"
        return f"{how}: {lines[-1] if lines else 'no word in its log'} ({log})"


@dataclass(frozen=True)
class _Starter:
    """How a run is started."""

    root: Path
    profile: Profile
    start: Callable[[Order], list[ForkServerProcess]]
    entry: str
    pool: str = field(default_factory=lambda: secrets.token_hex(6))

    def __call__(self, planned: PlannedRun, slot: list[str]) -> _Active:
        folder = run_folder(self.root, planned.run.id)
        log = folder.log
        size = log.stat().st_size if log.is_file() else 0
        ranks = rank_variables(self.profile.num_ranks, slot)
        variables = tuple({**rank, "XSTILTS_POOL": self.pool} for rank in ranks)
        order = Order(self.entry, self.root, planned.run.id, self.profile.machine(), log, variables)
        return _Active(planned, folder, self.start(order), size, slot)


class _Pool:
    def __init__(self, schedule: Schedule, start: _Starter, slots: Sequence[list[str]], progress: Progress) -> None:
        self._schedule = schedule
        self._start = start
        self._free = list(slots)
        self._progress = progress
        self._active: list[_Active] = []
        self._complete = True

    def work(self, interrupts: Sequence[float]) -> bool:
        """Work until nothing is left or running; return whether everything is done."""
        try:
            while self._active or (self._schedule.has_next() and not interrupts):
                self._fill(interrupts)
                self._wait()
                self._end_those_to_end(interrupts)
                self._reap(interrupts)
        finally:
            for active in self._active:
                active.kill()
        return self._complete and not interrupts

    def _fill(self, interrupts: Sequence[float]) -> None:
        while self._free and self._schedule.has_next() and not interrupts:
            planned = self._schedule.next()
            self._active.append(self._start(planned, self._free.pop(0)))
            self._progress.started(planned)

    def _wait(self) -> None:
        sentinels = [process.sentinel for active in self._active for process in active.alive()]
        multiprocessing.connection.wait(sentinels, timeout=_TICK_S)

    def _end_those_to_end(self, interrupts: Sequence[float]) -> None:
        for active in self._active:
            if len(interrupts) > 1:
                active.kill()
            elif interrupts or active.lost_one():
                active.stop(wait=not active.lost_one())

    def _reap(self, interrupts: Sequence[float]) -> None:
        for active in [active for active in self._active if not active.alive()]:
            self._active.remove(active)
            self._free.append(active.slot)
            self._report(active, interrupted=bool(interrupts))

    def _report(self, active: _Active, *, interrupted: bool) -> None:
        planned = active.planned
        if active.is_done():
            self._schedule.completed(planned.run.id)
            self._progress.finished(planned, time.monotonic() - active.start_s)
            return
        if active.is_elsewhere():
            holder = seems_held(active.folder.lease)
            self._progress.left(planned, "running", f"another process executes it{f', {holder}' if holder else ''}")
            self._leave_children(planned, "waiting", "its parent is executed by another process")
            return
        follows = self._settle(active, Cause.CANCELLED if interrupted else Cause.KILLED)
        if interrupted:
            self._progress.left(planned, "interrupted", "submitted again, it goes on from what it saved")
        elif follows.again:
            self._schedule.again(planned)
            self._progress.again(planned, follows.text)
        else:
            self._progress.failed(planned, follows.text or active.reason())
            self._leave_children(planned, "blocked", "its parent failed")

    def _settle(self, active: _Active, died: Cause) -> Verdict:
        try:
            return settle_here(active.folder, self._start.pool, died, self._start.profile.requeue)
        except (XstiltsError, OSError) as error:  # a full disk or a damaged record: the other runs go on
            return Verdict(False, f"{active.reason()}; and its record could not be closed: {error}")

    def _leave_children(self, planned: PlannedRun, state: str, why: str) -> None:
        self._complete = False
        for child in self._schedule.failed(planned.run.id):
            self._progress.left(child, state, why)
