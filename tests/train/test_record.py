"""What the record of an attempt says of the device that it ran on."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from xstilts_hpc.lease import hold
from xstilts_hpc.machine import Machine
from xstilts_hpc.run_folder import RunFolder
from xstilts_hpc.train.ranks import Ranks
from xstilts_hpc.train.record import attempt


def record_on(device: str, root: Path) -> dict[str, Any]:
    """Return the record of an attempt that does nothing, as another process reads it while it runs and at its end."""
    folder = RunFolder(root / "run")
    folder.path.mkdir()
    ranks = Ranks(0, 1, 0, torch.device(device))
    with hold(folder.lease) as lease, attempt(folder, Machine(), ranks, had=[0, 0], lease=lease):
        (begun,) = folder.attempts()
    (ended,) = folder.attempts()
    assert all(ended[name] == value for name, value in begun.items() if name not in ("end", "cause"))
    return dict(ended)


def test_the_record_names_the_gpu_and_the_peak_of_its_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = {torch.device("cuda:1"): 70 * 2**30}  # of an attempt before this one in the same process
    properties = SimpleNamespace(name="NVIDIA H200", total_memory=141 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: peaks.update({device: 3 * 2**29}))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: peaks[device])
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    record = record_on("cuda:1", tmp_path)
    assert record["gpu"] == {"name": "NVIDIA H200", "memory_gb": 141.0, "cuda": "12.8"}
    assert record["gpu_peak_memory_gb"] == 1.5
    assert record["device"] == "cuda:1"


def test_on_a_cpu_there_is_no_gpu_to_name(tmp_path: Path) -> None:
    record = record_on("cpu", tmp_path)
    assert not [name for name in record if "gpu" in name]
    assert record["peak_memory_gb"] > 0
