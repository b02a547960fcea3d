"""A run that ended for want of memory, or whose profile says less than before, goes on with smaller micro-batches."""

import json
import os
import signal
import threading
from pathlib import Path

import deepspeed
import pytest
import torch

from tests.test_stop import GRID, start, wait_for_updates
from tests.tiny import grid_text
from tests.waiting import num_updates
from xstilts_hpc.causes import Cause
from xstilts_hpc.expand import expand
from xstilts_hpc.files import write_json
from xstilts_hpc.grid import load_grid
from xstilts_hpc.machine import Machine
from xstilts_hpc.run_folder import RunFolder, run_folder
from xstilts_hpc.train.execute import execute
from xstilts_hpc.train.stop import StoppedError

ENDED = {"start": "2026-11-24T10:00:00Z", "end": "2026-11-24T10:05:00Z"}


def prepared(root: Path) -> RunFolder:
    """Write a grid of one run of 450 updates and prepare the run."""
    (root / "grid.yaml").write_text(grid_text(**GRID), encoding="utf-8")
    (planned,) = expand(load_grid(root / "grid.yaml"), root=root).runs.values()
    folder = run_folder(root, planned.run.id)
    folder.prepare(planned.run, planned.request)
    return folder


def tried(root: Path, run: RunFolder, number: int, micro_batch_tokens: int = 0) -> list[int]:
    """Execute a run, stopping it at an update; return the most tokens of a micro-batch of every update so far."""
    before, ended = signal.getsignal(signal.SIGTERM), threading.Event()

    def stop() -> None:
        while num_updates(run) < number or signal.getsignal(signal.SIGTERM) is before:
            if ended.wait(0.02):
                return
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop, daemon=True).start()
    machine = Machine(zero_stage=0, threads=1, micro_batch_tokens=micro_batch_tokens)
    try:
        with pytest.raises(StoppedError):
            execute(root, run.path.name, machine, alone=True)
    finally:
        ended.set()
    return [json.loads(line)["micro_batch_tokens"] for line in run.history.read_text().splitlines()]


def test_a_run_goes_on_as_before_unless_the_profile_says_less(tiny_root: Path) -> None:
    run = prepared(tiny_root)
    first = tried(tiny_root, run, 3, micro_batch_tokens=40)
    more = tried(tiny_root, run, len(first) + 3, micro_batch_tokens=80)
    less = tried(tiny_root, run, len(more) + 3, micro_batch_tokens=12)
    assert (set(first), set(more)) == ({40}, {40})
    assert (less[: len(more)], set(less[len(more) :])) == (more, {12})


def test_a_run_that_was_killed_for_want_of_memory_begins_again_with_half(tiny_root: Path) -> None:
    run = prepared(tiny_root)
    process = start(tiny_root, run)
    wait_for_updates(run, 3, process)
    process.kill()
    process.communicate()
    (killed,) = run.attempts()
    assert not killed["end"]
    run.amend(1, {"end": ENDED["end"], "cause": str(Cause.OUT_OF_MEMORY)})  # what Slurm's facts add
    assert set(tried(tiny_root, run, 3)) == {killed["micro_batch_tokens"] // 2}


@pytest.mark.parametrize(("stage", "where"), [(0, "step"), (2, "_flush_coalesced_reduction_zero12")])
def test_an_attempt_without_memory_to_reduce_or_step_ends_and_the_next_begins_with_half(
    tiny_root: Path, monkeypatch: pytest.MonkeyPatch, stage: int, where: str
) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    run = prepared(tiny_root)
    with monkeypatch.context() as patch:
        patch.setattr(deepspeed.DeepSpeedEngine, where, fail)
        with pytest.raises(torch.OutOfMemoryError, match="Tried to allocate 2"):
            execute(tiny_root, run.path.name, Machine(zero_stage=stage, threads=1, micro_batch_tokens=40), alone=True)
    (ended,) = run.attempts()
    assert (ended["cause"], ended["micro_batch_tokens"]) == (Cause.OUT_OF_MEMORY, 40)
    assert ended["error"].endswith("CUDA out of memory. Tried to allocate 2.00 GiB.\n")
    assert set(tried(tiny_root, run, 3, micro_batch_tokens=40)) == {20}


def test_an_attempt_that_noted_nothing_tried_what_the_next_one_would(tiny_root: Path) -> None:
    run = prepared(tiny_root)
    write_json(run.provenance(1), {**ENDED, "attempt": 1, "cause": str(Cause.OUT_OF_MEMORY)})
    assert set(tried(tiny_root, run, 3, micro_batch_tokens=40)) == {20}
    assert run.attempts()[-1]["micro_batch_tokens"] == 20
