"""How many runs share a GPU: by its free memory and the model's parameters."""

from pathlib import Path

import pytest
import torch

from xstilts_hpc.model.encoder import load_encoder
from xstilts_hpc.train.share import bytes_needed, num_parameters, runs_that_fit, take_share

GIB = 2**30


@pytest.mark.parametrize(("free", "runs"), [(100, 4), (48, 4), (47, 3), (24, 2), (23, 1), (5, 1)])
def test_as_many_runs_as_memory_holds_and_at_least_one(free: int, runs: int) -> None:
    assert runs_that_fit(4, 12 * GIB, free * GIB) == runs


def test_parameters_are_counted_without_the_weights(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").symlink_to(tiny_model / "config.json")
    expected = sum(parameter.numel() for parameter in load_encoder(str(tiny_model)).parameters())
    assert num_parameters(str(tmp_path), "main") == expected


def test_weights_gradients_and_moments_of_xlm_r_large_take_nine_gigabytes_and_room() -> None:
    assert bytes_needed(559_890_432) == 8_958_246_912 + 2 * GIB


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_run_gets_no_more_than_its_part_of_the_gpu() -> None:
    device = torch.device("cuda", 0)
    _, total = torch.cuda.mem_get_info(device)
    take_share(device, 4)
    try:
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(total // 3, dtype=torch.uint8, device=device)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
