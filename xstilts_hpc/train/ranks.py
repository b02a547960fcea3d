"""The processes of one run; the only place that reads RANK and its kin."""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import HashStore

from xstilts_hpc.model.libraries import settle_libraries
from xstilts_hpc.ports import free_port
from xstilts_hpc.train.rendezvous import meet

# Ranks wait for each other while one encodes a training set or predicts a large language; a dead rank ends its step.
_PATIENCE = timedelta(hours=2)


@dataclass(frozen=True)
class Ranks:
    """This process among those of its run."""

    rank: int
    world: int
    local_rank: int
    device: torch.device

    def is_main(self) -> bool:
        """Say whether this process speaks and writes for all."""
        return self.rank == 0

    def barrier(self) -> None:
        """Collective. Wait for all ranks."""
        if self.world > 1:
            dist.barrier()

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """Collective. Let the main rank do something before the others, who then find it done (a cache filled).

        Where the main rank fails the others go on, and fail by themselves rather than wait.
        """
        if not self.is_main():
            self.barrier()
        try:
            yield
        finally:
            if self.is_main():
                self.barrier()

    def highest(self, value: int) -> int:
        """Collective. Return the highest value that any rank gives."""
        if self.world == 1:
            return value
        found = torch.tensor(value, device=self.device)
        dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return int(found)

    def from_main(self, value: Any) -> Any:
        """Collective. Return what the main rank gives."""
        if self.world == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0, device=self.device)
        return values[0]

    def total(self, value: torch.Tensor) -> float:
        """Collective. Return the sum of a scalar over all ranks."""
        if self.world > 1:
            dist.all_reduce(value)
        return float(value)


def join_ranks(*, alone: bool = False) -> Ranks:
    """Collective. Join the process group that the environment names; `alone` runs as one process whatever it says."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    rank, world, local_rank = (
        (0, 1, 0) if alone else (int(os.environ.get(n, d)) for n, d in zip(names, "010", strict=True))
    )
    settle_libraries()
    cuda = torch.cuda.is_available() and os.environ.get("DS_ACCELERATOR") != "cpu"  # one device for both libraries
    device = torch.device("cuda", local_rank % torch.cuda.device_count()) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        backend = "nccl" if cuda else "gloo"
        if world == 1:
            dist.init_process_group(backend, store=HashStore(), rank=0, world_size=1)
        else:
            store = meet(rank, world, patience=_PATIENCE)
            dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=_PATIENCE)
            atexit.register(_leave_ranks)
    _tell_deepspeed(rank, world, local_rank if device.index is None else device.index)
    return Ranks(rank, world, local_rank, device)


def _leave_ranks() -> None:
    """Leave the process group when the process ends, not before: a process may execute several runs.

    DeepSpeed remembers the group for as long as the process lives.
    """
    if dist.is_initialized():
        dist.destroy_process_group()


def _tell_deepspeed(rank: int, world: int, device: int) -> None:
    """DeepSpeed reads these even when the process group exists; a missing one sends it looking for mpi4py.

    It takes LOCAL_RANK for the number of the device, which it is not where each process sees only its own GPU.
    """
    values = {"RANK": rank, "WORLD_SIZE": world, "LOCAL_RANK": device}
    os.environ.update({name: str(value) for name, value in values.items()})
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", str(free_port()))
