"""Which device a rank computes on, and that DeepSpeed takes the same one; CUDA's answers are given, for want of it."""

import os

import pytest
import torch
import torch.distributed as dist

from xstilts_hpc.train.ranks import Ranks, join_ranks


def joined(monkeypatch: pytest.MonkeyPatch, local_rank: int, gpus: int, accelerator: str = "cuda") -> Ranks:
    """Join as one of two ranks where so many GPUs are visible."""
    variables = {"RANK": local_rank, "WORLD_SIZE": 2, "LOCAL_RANK": local_rank, "MASTER_ADDR": "h", "MASTER_PORT": 1}
    for name, value in {**variables, "DS_ACCELERATOR": accelerator}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    return join_ranks()


@pytest.mark.parametrize(("local_rank", "gpus", "device"), [(1, 2, 1), (1, 1, 0), (0, 1, 0), (3, 2, 1)])
def test_deepspeed_takes_the_gpu_of_its_rank(
    monkeypatch: pytest.MonkeyPatch, local_rank: int, gpus: int, device: int
) -> None:
    ranks = joined(monkeypatch, local_rank, gpus)
    assert ranks.device == torch.device("cuda", device)
    assert os.environ["LOCAL_RANK"] == str(device)
    assert join_ranks().device == ranks.device  # of the next run in this process


@pytest.mark.parametrize(("gpus", "accelerator"), [(0, "cuda"), (2, "cpu")])
def test_a_rank_without_gpus_or_told_so_computes_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, gpus: int, accelerator: str
) -> None:
    assert joined(monkeypatch, 1, gpus, accelerator).device == torch.device("cpu")
    assert os.environ["LOCAL_RANK"] == "1"
