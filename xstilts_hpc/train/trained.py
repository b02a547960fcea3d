"""The trained model of a run on disk: encoder and heads, from which predictions are made."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from xstilts_hpc.files import fsync, read_json, write_json
from xstilts_hpc.model.encoder import load_encoder
from xstilts_hpc.model.heads import TaskModel
from xstilts_hpc.run_folder import READY
from xstilts_hpc.tasks.base import Task

_ENCODER = "encoder."
_HEADS = "heads."


def is_saved(folder: Path) -> bool:
    """Say whether a whole trained model is in the folder (its marker is written last)."""
    return (folder / READY).is_file()


def save_trained(
    folder: Path, model: TaskModel, weights: dict[str, Tensor], tokenizer: Any, *, subsets: Mapping[str, Any]
) -> None:
    """Write encoder, tokenizer and heads, and what subsets they were trained on; only the main rank calls it."""
    shutil.rmtree(folder, ignore_errors=True)
    encoder = folder / "encoder"
    model.encoder.config.dtype = torch.float32
    model.encoder.save_pretrained(encoder, state_dict=_part(weights, _ENCODER))  # type: ignore[operator]
    tokenizer.save_pretrained(encoder)
    heads, usual = folder / "heads.safetensors", (encoder / "config.json").stat().st_mode
    save_file(_part(weights, _HEADS), heads)
    for path in [*encoder.iterdir(), heads]:
        path.chmod(usual)  # safetensors lets nobody but the owner read, though a group may share a root
    for path in [*encoder.iterdir(), heads, encoder, folder]:
        fsync(path)
    write_json(folder / READY, {"parameters": sum(weight.numel() for weight in weights.values()), "subsets": subsets})


def subsets_of(folder: Path) -> dict[str, Any]:
    """Return the subsets that a saved model was trained on, as `chosen_subsets` describes them."""
    return dict(read_json(folder / READY)["subsets"]) if is_saved(folder) else {}


def load_trained(folder: Path, task: Task) -> TaskModel:
    """Return the trained model with the head of one task, in fp32 on the CPU."""
    model = TaskModel(load_encoder(str(folder / "encoder")), (task,), seed=0)
    model.heads[task.name].load_state_dict(_part(load_file(folder / "heads.safetensors"), f"{task.name}."))
    return model


def _part(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): weight.contiguous() for name, weight in weights.items() if name.startswith(prefix)
    }
