"""One rank of trainings whose last rank runs out of memory; the main rank writes losses and micro-batches as JSON."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tests.train.zero_ranks import RECIPE, training_of
from xstilts_hpc.ending import end_with
from xstilts_hpc.machine import Machine
from xstilts_hpc.train.loop import fine_tune
from xstilts_hpc.train.ranks import join_ranks
from xstilts_hpc.train.zero import start_engine

# Memory is short from the so-manyth pass on, for batches of more tokens than this.
BEGIN, ENOUGH = 6, 50


def shorten_memory(encoder: nn.Module, when: str, *, enough: int = ENOUGH, begin: int = BEGIN) -> None:
    """Make large batches fail as on a GPU without memory, in their `forward` or their `backward` pass."""
    seen: dict[str, int] = {"pass": 0, "tokens": 0}

    def fail() -> None:
        if seen["pass"] >= begin and seen["tokens"] > enough:
            raise torch.OutOfMemoryError(f"no memory for {seen['tokens']} tokens")

    def before(module: nn.Module, positional: Any, named: Any) -> None:
        seen.update({"pass": seen["pass"] + 1, "tokens": named["input_ids"].numel()})
        if when == "forward":
            fail()

    encoder.register_forward_pre_hook(before, with_kwargs=True)
    if when == "backward":  # in the middle of it: heads and the upper layer have their gradients
        encoder.encoder.layer[0].register_full_backward_hook(lambda *_: fail())  # type: ignore[union-attr,index]


def main(root: Path, out: Path, machine: Machine, cases: list[str]) -> None:
    """Train each case: a ZeRO stage, the pass in which memory is short, and settings that save memory.

    Such as `2 backward`, or `2 never offload_optimizer`.
    """
    ranks = join_ranks()
    results = {}
    for case in cases:
        stage, when, *savings = case.split()
        model, training = training_of(root, "mnli")
        if "activation_checkpointing" in savings:
            model.encoder.gradient_checkpointing_enable({"use_reentrant": False})  # type: ignore[operator]
        if ranks.rank == ranks.world - 1:
            shorten_memory(model.encoder, when)
        changed = replace(machine, zero_stage=int(stage), **dict.fromkeys(savings, True))
        engine = start_engine(model, RECIPE, changed, steps=sum(training.updates), world=ranks.world)
        tokens = machine.micro_batch_tokens
        steps = list(fine_tune(engine, training, RECIPE, ranks=ranks, micro_batch_tokens=tokens))
        results[case] = {
            "losses": [step.loss for step in steps],
            "grad_norms": [step.grad_norm for step in steps],
            "micro_batch_tokens": [step.micro_batch_tokens for step in steps],
        }
        engine.destroy()
    if ranks.is_main():
        out.write_text(json.dumps(results))


if __name__ == "__main__":
    end_with(main, Path(sys.argv[1]), Path(sys.argv[2]), Machine(**json.loads(sys.argv[3])), sys.argv[4:])
