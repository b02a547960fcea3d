"""Signals that ask a run to save and stop: they set a flag, and every rank agrees on it between two steps."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from xstilts_hpc.errors import RunError

# Slurm sends USR2 before the time limit and (where it is set so) before a preemption: the element is to run again.
# TERM comes from scancel, from a preemption without a signal of its own, or from the pool of this machine: whoever
# sent it decides what happens next.
_AGAIN = (signal.SIGUSR1, signal.SIGUSR2)
_SIGNALS = (signal.SIGTERM, *_AGAIN)


class StoppedError(RunError):
    """A run was asked to stop by a signal, and saved what it had; `again`: the signal asks for another start."""

    def __init__(self, message: str, *, again: bool, signal: str) -> None:
        """Take the message, whether the run is to be started again at once, and the name of the signal."""
        super().__init__(message)
        self.again = again
        self.signal = signal


class Order(IntEnum):
    """What all ranks do between two steps: the strongest wish of any rank."""

    GO_ON = 0
    SAVE = 1
    STOP = 2
    STOP_AND_REQUEUE = 3


@dataclass
class Stop:
    """The last signal that asked this process to stop; 0 where none did."""

    number: int = 0

    @property
    def wish(self) -> Order:
        """Return what the signals of this rank ask for."""
        if not self.number:
            return Order.GO_ON
        return Order.STOP_AND_REQUEUE if self.number in _AGAIN else Order.STOP

    def error(self, run: str, where: str, order: Order) -> StoppedError:
        """Return the error that ends a run as the ranks agreed; this rank's own signal may still be on its way."""
        name = signal.Signals(self.number).name if self.number else "a signal to another rank"
        again = order is Order.STOP_AND_REQUEUE
        message = f"run {run} was stopped by {name} {where}; submit its grid again, and it goes on from there"
        signal_name = name if self.number else (signal.SIGUSR2 if again else signal.SIGTERM).name
        return StoppedError(message, again=again, signal=signal_name)


@contextmanager
def listening() -> Iterator[Stop]:
    """Yield what the signals set; outside the main thread, where no handler can be installed, nothing does."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def note(number: int, _frame: Any) -> None:
        stop.number = stop.number if stop.number in _AGAIN else number

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, _AGAIN)  # one that came while we were starting comes now
    try:
        yield stop
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number, handler in before.items():
            signal.signal(number, handler)
