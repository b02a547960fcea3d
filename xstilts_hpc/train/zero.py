"""DeepSpeed ZeRO: its configuration, the engine, and the full weights out of it."""

import importlib
import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from xstilts_hpc.machine import SHARDED_WEIGHTS, Machine
from xstilts_hpc.recipe import Recipe

# Larger buckets cost memory and bring nothing at fine-tuning batch sizes.
_BUCKET = 50_000_000
# By name, since a sharded weight has no shape: biases and layer norms, ours and those of the encoder.
_NOT_DECAYED = ("bias", "LayerNorm.weight", "norm.weight")


def zero_config(recipe: Recipe, machine: Machine, world: int) -> dict[str, Any]:
    """Return DeepSpeed's configuration for a training.

    To DeepSpeed an update is one backward pass of one example per rank: what it is in truth train/update.py decides.
    """
    offload = {"offload_optimizer": {"device": "cpu"}} if machine.offload_optimizer else {}
    return {
        "train_batch_size": world,
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": recipe.max_grad_norm if machine.zero_stage else 0.0,  # at stage 0 see _clip
        "steps_per_print": 10**9,
        "zero_force_ds_cpu_optimizer": False,
        "zero_optimization": {
            "stage": machine.zero_stage,
            "reduce_bucket_size": _BUCKET,
            "allgather_bucket_size": _BUCKET,
            "stage3_gather_16bit_weights_on_model_save": True,
            # Weights are gathered for a pass through their layer and dropped behind it; else up to 1e9 stay whole.
            "stage3_max_live_parameters": _BUCKET,
            "stage3_max_reuse_distance": _BUCKET,
            **offload,
        },
        "torch_autocast": {
            "enabled": machine.precision == "bf16",
            "dtype": "bfloat16",
            # Of the modules named here, linear ones by default, stages 1 to 3 round gradients to bf16 and sum those, on
            # one rank too, and stage 3 keeps small weights now rounded, now not: a resumption would not be exact.
            "lower_precision_safe_modules": [],
        },
    }


def start_engine(model: nn.Module, recipe: Recipe, machine: Machine, *, steps: int, world: int) -> Any:
    """Collective. Return a DeepSpeed engine with AdamW, linear warm-up and linear decay to zero."""
    import deepspeed
    import deepspeed.ops
    from deepspeed.accelerator import get_accelerator

    if get_accelerator().device_name() == "cpu":
        # Compiled at start otherwise (30 s), needs a compiler, and serves inference only.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    _import_muon()
    optimizer = torch.optim.AdamW(
        decay_groups(model, recipe.weight_decay),
        lr=recipe.learning_rate,
        betas=(recipe.adam_beta1, recipe.adam_beta2),
        eps=recipe.adam_epsilon,
        fused=True,
    )
    if not machine.zero_stage:
        optimizer.register_step_pre_hook(lambda stepping, *_: _clip(stepping, recipe.max_grad_norm))
    engine, *_ = deepspeed.initialize(
        model=model,
        optimizer=optimizer,
        config=zero_config(recipe, machine, world),
        lr_scheduler=lambda inner: torch.optim.lr_scheduler.LambdaLR(
            inner, warmup_decay(recipe.warmup_fraction, steps)
        ),
        dist_init_required=False,
    )
    return engine


def _clip(optimizer: Any, max_norm: float) -> None:
    """Clip the gradients of a step, and leave the norm that they had where DeepSpeed's engine looks for it.

    At stage 0 DeepSpeed's own clipping drops the norm. 0 does not clip, as at the other stages.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    optimizer._global_grad_norm = torch.nn.utils.get_total_norm([p.grad for p in parameters])
    if max_norm:
        torch.nn.utils.clip_grads_with_norm_(parameters, max_norm, optimizer._global_grad_norm)


def _import_muon() -> None:
    """Import DeepSpeed's Muon uncompiled: ZeRO asks whether our optimizer is one, which is to start no compiler.

    Torch's compiler is 3.5 of the 4.7 s of a core that the start of an engine takes on every rank (measured).
    """
    from deepspeed.runtime import compiler

    compile_with_torch = compiler.compile
    compiler.compile = lambda: lambda function: function
    try:
        with suppress(ImportError):  # an older DeepSpeed has none
            importlib.import_module("deepspeed.runtime.zero.muon.original_muon")
    finally:
        compiler.compile = compile_with_torch


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return two parameter groups: biases and layer norms are not decayed."""
    decayed: list[Tensor] = []
    plain: list[Tensor] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (plain if name.endswith(_NOT_DECAYED) else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


def warmup_decay(fraction: float, steps: int) -> Callable[[int], float]:
    """Return the factor on the learning rate by step: linear from 0 over the warm-up, then linear to 0."""
    warmup = round(fraction * steps)

    def factor(step: int) -> float:
        if step < warmup:
            return step / warmup
        return max(0.0, (steps - step) / max(1, steps - warmup))

    return factor


def decay_by_end(recipe: Recipe, steps: int) -> float:
    """Return what a training multiplies a decayed weight without any gradient by: the product of 1 - lr * decay."""
    factor = warmup_decay(recipe.warmup_fraction, steps)
    rates: list[float] = [recipe.learning_rate * factor(step) for step in range(steps)]
    return math.prod(1 - rate * recipe.weight_decay for rate in rates)


def full_weights(engine: Any, names: Iterable[str]) -> dict[str, Tensor]:
    """Collective. Return the full fp32 weights of some parameters, on the CPU."""
    from deepspeed.utils import safe_get_full_fp32_param

    sharded = engine.zero_optimization_stage() == SHARDED_WEIGHTS
    wanted = set(names)
    weights: dict[str, Tensor] = {}
    for name, parameter in engine.module.named_parameters():
        if name in wanted:
            weight = safe_get_full_fp32_param(parameter) if sharded else parameter
            weights[name] = weight.detach().to("cpu", torch.float32, copy=True)
    return weights
