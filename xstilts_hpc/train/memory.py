"""What fits into the memory of a device."""

from typing import Any

import torch
from torch import nn

from xstilts_hpc import memory_rule
from xstilts_hpc.families import family_of
from xstilts_hpc.machine import Machine
from xstilts_hpc.memory_rule import Trained
from xstilts_hpc.model.heads import MaskedHead, TaskModel
from xstilts_hpc.train.ranks import Ranks

# The widest tensor on a CPU: one that its last cache can hold, and glibc keeps for the next one when it is freed (less
# than 32 MiB). Twice as many tokens took 6 % longer (XLM-R Base, a cache of 32 MiB).
_WIDEST_BYTES = 24 * 2**20
_MOST_ON_CPU = 4_096


def fitting_tokens(model: TaskModel, machine: Machine, ranks: Ranks) -> int:
    """Return the most tokens of a micro-batch that fit the memory of this rank's device, at least 1."""
    if ranks.device.type != "cuda":
        return tokens_on_cpu(model.encoder.config)
    memory_bytes = torch.cuda.get_device_properties(ranks.device).total_memory
    return max(1, memory_rule.fitting_tokens(memory_bytes, trained_of(model), machine, ranks.world))


def tokens_on_cpu(config: Any) -> int:
    """Return the most tokens of a pass on a CPU: its widest tensor is that inside the feed-forward part, in fp32."""
    width = int(config.intermediate_size) * (2 if family_of(config.model_type).gated else 1)
    return min(_MOST_ON_CPU, _WIDEST_BYTES // (4 * width))


def trained_of(model: TaskModel) -> Trained:
    """Return what a model is to the rule; weights that ZeRO-3 has sharded count as a whole."""
    config: Any = model.encoder.config
    layers = model.encoder.get_submodule(family_of(config.model_type).layers)
    masked = any(isinstance(head, MaskedHead) for head in model.heads.values())
    return Trained(
        parameters=sum(map(_size, model.parameters())),
        computing=sum(map(_size, layers.parameters())),
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        outputs=config.vocab_size if masked else 0,
    )


def _size(parameter: nn.Parameter) -> int:
    return int(getattr(parameter, "ds_numel", parameter.numel()))
