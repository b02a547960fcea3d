"""How many runs share one GPU, and how much of its memory each of them takes."""

from collections.abc import Collection, Sequence
from pathlib import Path

import torch

from xstilts_hpc.forecast import ModelSize, longest_item, model_size, trained_size
from xstilts_hpc.machine import Machine
from xstilts_hpc.memory_rule import runs_that_fit
from xstilts_hpc.run import ModelSource, Run


def runs_that_fit_here(root: Path, runs: Sequence[Run], machine: Machine, wanted: int) -> int:
    """Return how many of some runs fit at once into what is free on this process's first GPU: at most `wanted`, or 1.

    A micro-batch is as large as memory allows, so what a run needs is its parameters and its longest example.
    The size of a model is the one that the plan goes by; ModelError where its folder is not there.
    """
    free, _ = torch.cuda.mem_get_info(0)
    return runs_that_fit(
        free,
        trained_size(
            largest_model(root, {run.model for run in runs}), runs, compact_vocabulary=machine.compact_vocabulary
        ),
        machine=machine,
        wanted=wanted,
        longest=max(map(longest_item, runs)),
    )


def largest_model(root: Path, models: Collection[ModelSource]) -> ModelSize:
    """Return the size of the largest of some models, from their configurations alone."""
    return max((model_size(source, root) for source in models), key=lambda size: size.parameters)


def take_share(device: torch.device, runs: int) -> None:
    """Let this process have no more of a GPU's memory than its part, where several runs share the GPU."""
    if device.type == "cuda" and runs > 1:
        torch.cuda.set_per_process_memory_fraction(1 / runs, device)
