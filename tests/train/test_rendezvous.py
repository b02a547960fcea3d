"""Ranks of one run find each other whoever holds the port they were to use."""

import multiprocessing
import socket
from datetime import timedelta
from typing import Any

import pytest
import torch
import torch.distributed as dist

from xstilts_hpc.ports import free_port
from xstilts_hpc.train.rendezvous import meet

SOON = timedelta(seconds=60)
RUNS = ("a", "b", "c")


@pytest.mark.slow
def test_runs_that_were_given_the_same_port_do_not_meet() -> None:
    """Three runs of two ranks at once, as jobs with one number on two clusters; a fourth program holds the port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        context = multiprocessing.get_context("spawn")
        answers: Any = context.Queue()
        port = taken.getsockname()[1]
        processes = [
            context.Process(target=_sum_of_run, args=(answers, run, rank, port))
            for rank in (1, 0)  # who looks comes first
            for run in RUNS
        ]
        for process in processes:
            process.start()
        found = sorted(answers.get(timeout=120) for _ in processes)
        for process in processes:
            process.join(120)
    assert found == [(run, rank, 2.0 * number) for number, run in enumerate(RUNS) for rank in (0, 1)]
    assert [process.exitcode for process in processes] == [0] * len(processes)


def test_a_main_rank_that_never_comes_is_an_error_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(free_port()))
    with pytest.raises(dist.DistNetworkError, match="main rank was not found"):
        meet(1, 2, patience=timedelta(seconds=0.5))


def _sum_of_run(answers: Any, run: str, rank: int, port: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MASTER_ADDR", "127.0.0.1")
        patch.setenv("MASTER_PORT", str(port))
        patch.setenv("SLURM_SRUN_COMM_PORT", run)
        patch.setenv("GLOO_SOCKET_IFNAME", "lo")
        dist.init_process_group("gloo", store=meet(rank, 2, patience=SOON), rank=rank, world_size=2, timeout=SOON)
        value = torch.tensor(float(RUNS.index(run)))
        dist.all_reduce(value)
        answers.put((run, rank, float(value)))
        dist.barrier()
        dist.destroy_process_group()
