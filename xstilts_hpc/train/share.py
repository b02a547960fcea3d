"""How many runs share one GPU, and how much of its memory each of them takes."""

from collections.abc import Collection
from pathlib import Path

import torch
import transformers

from xstilts_hpc.model.encoder import load_pretrained, model_location
from xstilts_hpc.run import ModelSource

# Of each parameter: weight, gradient and the two moments of Adam, in fp32.
_BYTES_PER_PARAMETER = 16
# Beside them: the driver's context, the libraries' workspaces, and the activations of a small micro-batch.
_ROOM = 2 * 2**30


def runs_that_fit(wanted: int, needed: int, free: int) -> int:
    """Return how many runs of `needed` bytes have room in `free` bytes: at most `wanted`, at least one."""
    return max(1, min(wanted, free // needed))


def needed_and_free(root: Path, models: Collection[ModelSource]) -> tuple[int, int]:
    """Return the bytes that a run of the largest of some models needs, and those free on this process's first GPU.

    A micro-batch is as large as memory allows, so what a run needs is its parameters, whatever it trains on.
    ModelError where a model is not here.
    """
    most = max(num_parameters(*model_location(source, root)) for source in models)
    free, _ = torch.cuda.mem_get_info(0)
    return bytes_needed(most), free


def bytes_needed(parameters: int) -> int:
    """Return the bytes that training so many parameters needs at least."""
    return _BYTES_PER_PARAMETER * parameters + _ROOM


def num_parameters(location: str, revision: str) -> int:
    """Return the number of a model's parameters, from its configuration alone."""
    config = load_pretrained(transformers.AutoConfig, location, revision)
    with torch.device("meta"):
        model = transformers.AutoModel.from_config(config)
    return sum(parameter.numel() for parameter in model.parameters())


def take_share(device: torch.device, runs: int) -> None:
    """Let this process have no more of a GPU's memory than its part, where several runs share the GPU."""
    if device.type == "cuda" and runs > 1:
        torch.cuda.set_per_process_memory_fraction(1 / runs, device)
