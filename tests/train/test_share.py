"""How many runs share a GPU: the size of their model, from its configuration alone; and a run's part of the memory."""

from pathlib import Path

import pytest
import torch

from xstilts_hpc.files import write_json
from xstilts_hpc.forecast import ModelSize
from xstilts_hpc.run import ModelSource
from xstilts_hpc.train.share import largest_model, take_share


def test_the_largest_model_is_found_without_weights(tiny_model: Path, tmp_path: Path) -> None:
    config = (tiny_model / "config.json").read_text(encoding="utf-8")
    for name, layers in (("small", 2), ("large", 5)):
        (tmp_path / name).mkdir()
        text = config.replace('"num_hidden_layers": 2', f'"num_hidden_layers": {layers}')
        (tmp_path / name / "config.json").write_text(text, encoding="utf-8")
    found = largest_model(tmp_path, {ModelSource(path="small"), ModelSource(path="large")})
    assert isinstance(found, ModelSize) and found.layers == 5


def test_the_third_matrix_of_a_gated_model_counts(tmp_path: Path) -> None:
    sizes = {"num_hidden_layers": 22, "hidden_size": 768, "intermediate_size": 1152, "vocab_size": 256_000}
    write_json(tmp_path / "config.json", {"model_type": "modernbert", **sizes})
    assert largest_model(tmp_path, {ModelSource(path=".")}).computing == 22 * (4 * 768**2 + 3 * 768 * 1152)


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
