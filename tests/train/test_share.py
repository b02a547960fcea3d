"""How many runs share a GPU: the size of their model, from its configuration alone; and a run's part of the memory."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from tests.tiny import grid_text
from xstilts_hpc.cluster import side_by_side
from xstilts_hpc.cluster.side_by_side import how_many
from xstilts_hpc.expand import expand
from xstilts_hpc.files import write_json
from xstilts_hpc.forecast import ModelSize
from xstilts_hpc.grid import load_grid
from xstilts_hpc.machine import Machine
from xstilts_hpc.run import ModelSource, Run
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


def planned_runs(root: Path) -> list[Run]:
    (root / "grid.yaml").write_text(grid_text(), encoding="utf-8")
    return [planned.run for planned in expand(load_grid(root / "grid.yaml"), root=root).runs.values()]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Have a GPU with so many GB, of which so many are free; it is asked in a thread, not in a process of its own."""
    gigabytes = {"free": 80, "total": 80}
    monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # set by whom we test: to be as before at the end
    monkeypatch.setattr(side_by_side, "gpus_here", lambda: ["0"])
    monkeypatch.setattr(side_by_side, "ProcessPoolExecutor", lambda number, mp_context: ThreadPoolExecutor(number))
    monkeypatch.setattr(
        torch.cuda, "mem_get_info", lambda device: (gigabytes["free"] * 10**9, gigabytes["total"] * 10**9)
    )
    return gigabytes


@pytest.mark.parametrize(
    ("free", "total", "runs"), [(80, 80, 4), (3, 3, 1), (6, 80, 3), (1, 80, 1)], ids=["all", "small", "others", "full"]
)
def test_as_many_runs_go_at_once_as_the_free_memory_holds(
    tiny_root: Path, gpu: dict[str, int], caplog: pytest.LogCaptureFixture, free: int, total: int, runs: int
) -> None:
    gpu.update(free=free, total=total)  # 1.5 GB of a run are not torch's, and a tenth of the memory stays free
    assert how_many(tiny_root, planned_runs(tiny_root), Machine(zero_stage=0, runs_per_gpu=4)) == runs
    assert ("the free memory of the GPU holds no more" in caplog.text) == (runs < 4)


def test_memory_is_not_asked_for_where_there_is_no_gpu_or_nothing_to_share(
    tiny_root: Path, gpu: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu["free"], runs = 1, planned_runs(tiny_root)
    assert how_many(tiny_root, runs[:1], Machine(runs_per_gpu=4)) == 1
    monkeypatch.setattr(side_by_side, "gpus_here", list)
    assert how_many(tiny_root, runs, Machine(runs_per_gpu=4)) == 4


def test_a_model_that_is_not_there_is_told_by_the_runs(tiny_root: Path, gpu: dict[str, int]) -> None:
    gpu["free"], runs = 1, planned_runs(tiny_root)
    (tiny_root / "models" / "tiny").unlink()
    assert how_many(tiny_root, runs, Machine(runs_per_gpu=4)) == 4


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
