"""One rank of trainings that are cut in two: the main rank writes losses and weights of whole and resumed trainings."""

import json
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from tests.train.zero_ranks import RECIPE, training_of
from xstilts_hpc.ending import end_with
from xstilts_hpc.machine import Machine
from xstilts_hpc.model.vocabulary import compact
from xstilts_hpc.train.checkpoint import Checkpoints
from xstilts_hpc.train.loop import fine_tune
from xstilts_hpc.train.ranks import Ranks, join_ranks
from xstilts_hpc.train.zero import full_weights, start_engine

CUTS = (7, 12)
_CHANGES: dict[str, dict[str, Any]] = {
    "bf16": {"precision": "bf16"},
    "offload": {"offload_optimizer": True},
    "checkpointing": {"activation_checkpointing": True},
    "compact": {"compact_vocabulary": True},
}


def main(root: Path, out: Path, machine: Machine, cases: list[str]) -> None:
    """Train each case, a ZeRO stage and a task (`2 panx`, `2 panx bf16`), once straight and once cut at some steps."""
    ranks = join_ranks()
    results = {}
    for case in cases:
        stage, _, *changes = case.split()
        changed = replace(machine, zero_stage=int(stage), **{k: v for c in changes for k, v in _CHANGES[c].items()})
        whole, weights = train(root, changed, ranks, case, cuts=())
        parts, resumed = train(root, changed, ranks, case, cuts=CUTS)
        same = all(torch.equal(weights[name], resumed[name]) for name in weights)
        results[case] = {"whole": whole, "parts": parts, "same_weights": same and len(weights) == len(resumed)}
    if ranks.is_main():
        out.write_text(json.dumps(results))


def train(
    root: Path, machine: Machine, ranks: Ranks, case: str, *, cuts: tuple[int, ...]
) -> tuple[list[float], dict[str, Any]]:
    """Return the losses of all steps and the final weights; at every cut all is thrown away but the checkpoint."""
    folder = root / "checkpoints" / case.replace(" ", "-")
    checkpoints = Checkpoints(folder, ranks, {"case": case}, root)
    losses: list[float] = []
    for cut in (*cuts, None):
        model, training = training_of(root, case.split()[1], dropout=True)
        pieces = training.pieces() if machine.compact_vocabulary else None
        if pieces is not None:
            compact(model.encoder, pieces)
        if machine.activation_checkpointing:
            model.encoder.gradient_checkpointing_enable({"use_reentrant": False})  # type: ignore[operator]
        engine = start_engine(model, RECIPE, machine, steps=sum(training.updates), world=ranks.world)
        first = checkpoints.load(engine).step if cuts else 0
        assert first == len(losses)
        steps = fine_tune(
            engine, training, RECIPE, ranks=ranks, micro_batch_tokens=machine.micro_batch_tokens, first=first
        )
        losses += [step.loss for step in islice(steps, None if cut is None else cut - first)]
        if cut is not None:
            checkpoints.save(engine, cut)
        weights = full_weights(engine, model.state_dict())
        engine.destroy()
    return losses, weights


if __name__ == "__main__":
    end_with(main, Path(sys.argv[1]), Path(sys.argv[2]), Machine(**json.loads(sys.argv[3])), sys.argv[4:])
