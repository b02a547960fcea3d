"""One rank of a training over several stages and tasks; the main rank writes the losses of every step as JSON."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from xstilts_hpc.data.batch import BatchMaker
from xstilts_hpc.data.encode import Encoder
from xstilts_hpc.files import Memory
from xstilts_hpc.machine import Machine
from xstilts_hpc.model.encoder import load_encoder, load_tokenizer
from xstilts_hpc.model.heads import TaskModel
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.tasks import task_of
from xstilts_hpc.tasks.base import Split
from xstilts_hpc.tasks.folder import DataFolder
from xstilts_hpc.train.loop import TrainingSet, fine_tune
from xstilts_hpc.train.ranks import join_ranks, leave_ranks
from xstilts_hpc.train.zero import full_weights, start_engine

RECIPE = Recipe(learning_rate=1e-2, batch_size=8, steps=20, max_length=64)


def training_of(root: Path, name: str) -> tuple[TaskModel, TrainingSet]:
    """Return a model without dropout (which differs between ranks by design) and the training set of a task."""
    tokenizer, task = load_tokenizer(str(root / "models" / "tiny")), task_of(name)
    located = DataFolder(root / "data", Memory(root / "memory.json")).locate(task, Split.TRAIN)
    encoded = Encoder(tokenizer, RECIPE, root / "cache").encode(task, list(located.examples()), "x")
    model = TaskModel(load_encoder(str(root / "models" / "tiny")), task, seed=0)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.encoder.config.attention_probs_dropout_prob = 0.0
    for layer in model.encoder.encoder.layer:
        layer.attention.self.dropout.p = 0.0
    return model, TrainingSet(BatchMaker(encoded, tokenizer.pad_token_id), np.arange(encoded.items), seed=3)


def main(root: Path, out: Path, machine: Machine, cases: list[str]) -> None:
    """Train each case, a ZeRO stage and a task (`2 mnli`)."""
    ranks = join_ranks()
    results = {}
    for case in cases:
        stage, name = case.split()
        model, training = training_of(root, name)
        at_stage = replace(machine, zero_stage=int(stage))
        engine = start_engine(model, RECIPE, at_stage, steps=RECIPE.steps, world=ranks.world)
        losses = [step.loss for step in fine_tune(engine, training, RECIPE, at_stage, ranks=ranks)]
        weights = full_weights(engine, model.state_dict())
        norm = float(sum(weight.double().square().sum() for weight in weights.values()) ** 0.5)
        results[case] = {"losses": losses, "norm": norm, "types": sorted({str(w.dtype) for w in weights.values()})}
        engine.destroy()
    if ranks.is_main():
        out.write_text(json.dumps(results))
    leave_ranks()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Machine(**json.loads(sys.argv[3])), sys.argv[4:])
