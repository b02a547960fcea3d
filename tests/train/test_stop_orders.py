"""Signals set a flag, and what the ranks agreed on decides how a run ends."""

import os
import signal

import pytest

from xstilts_hpc.train.stop import Order, Stop, listening


@pytest.mark.parametrize(
    ("sent", "wish"),
    [
        ((signal.SIGTERM,), Order.STOP),
        ((signal.SIGUSR2,), Order.STOP_AND_REQUEUE),
        # Slurm sends TERM after USR2 where the grace time ends: the element is still to run again.
        ((signal.SIGUSR2, signal.SIGTERM), Order.STOP_AND_REQUEUE),
        ((signal.SIGTERM, signal.SIGUSR1), Order.STOP_AND_REQUEUE),
        ((), Order.GO_ON),
    ],
)
def test_a_signal_becomes_a_wish_and_ends_nothing(sent: tuple[signal.Signals, ...], wish: Order) -> None:
    with listening() as stop:
        for number in sent:
            os.kill(os.getpid(), number)
        assert stop.wish is wish


def test_the_handlers_of_before_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with listening():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_rank_whose_own_signal_is_late_ends_as_the_others_do() -> None:
    late = Stop().error("r", "after update 3 of 9", Order.STOP_AND_REQUEUE)
    assert late.again
    assert str(late).startswith("run r was stopped by a signal to another rank after update 3 of 9")
    assert not Stop(signal.SIGUSR2).error("r", "", Order.STOP).again


def test_the_strongest_wish_of_any_rank_wins() -> None:
    assert sorted(Order) == [Order.GO_ON, Order.SAVE, Order.STOP, Order.STOP_AND_REQUEUE]
