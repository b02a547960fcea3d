"""One rank of a training over several stages and tasks; the main rank writes what every step reports as JSON."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch

from xstilts_hpc.data.encode import Encoder
from xstilts_hpc.ending import end_with
from xstilts_hpc.files import Memory
from xstilts_hpc.machine import Machine
from xstilts_hpc.model.encoder import load_encoder, load_tokenizer
from xstilts_hpc.model.heads import TaskModel
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.tasks import task_of
from xstilts_hpc.tasks.folder import DataFolder
from xstilts_hpc.train.loop import TrainingSet, fine_tune
from xstilts_hpc.train.ranks import join_ranks
from xstilts_hpc.train.training_set import read_training_set
from xstilts_hpc.train.zero import full_weights, start_engine
from xstilts_hpc.training import Part, Training

RECIPE = Recipe(learning_rate=1e-2, batch_size=8, steps=20, max_length=64)
# So many updates that rounding would have grown tenfold many times over at the rate above.
LONG = replace(RECIPE, learning_rate=1e-3, steps=50)

MIXTURE = ("mnli", "hellaswag", "squad_v1", "panx", "mlm")


def training_of(
    root: Path, name: str, *, dropout: bool = False, recipe: Recipe = RECIPE
) -> tuple[TaskModel, TrainingSet]:
    """Return a model and the training set of a task; dropout, which differs between ranks by design, only on request.

    The name `mixture` stands for a task of each kind with masked text mixed in.
    """
    tokenizer = load_tokenizer(str(root / "models" / "tiny"))
    names = MIXTURE if name == "mixture" else (name,)
    data = DataFolder(root / "data", Memory(root / "memory.json"))
    parts = tuple(Part(task, data.training_digest(task_of(task), ("en",))) for task in names)
    training = Training(parts, 0, 3, mlm_weight=0.2 if "mlm" in names else 0.0)
    model = TaskModel(load_encoder(str(root / "models" / "tiny")), [task_of(task) for task in names], seed=0)
    if not dropout:
        _without_dropout(model)
    return model, read_training_set(training, data, Encoder(tokenizer, recipe, root / "cache"))


def _without_dropout(model: TaskModel) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


def main(root: Path, out: Path, machine: Machine, cases: list[str]) -> None:
    """Train each case, a ZeRO stage and a task (`2 mnli`), by the longer recipe where asked (`2 mnli long`)."""
    ranks = join_ranks()
    results = {}
    for case in cases:
        stage, name, *long = case.split()
        recipe = LONG if long else RECIPE
        model, training = training_of(root, name, recipe=recipe)
        at_stage = replace(machine, zero_stage=int(stage))
        engine = start_engine(model, recipe, at_stage, steps=sum(training.updates), world=ranks.world)
        tokens = at_stage.micro_batch_tokens
        steps = list(fine_tune(engine, training, recipe, ranks=ranks, micro_batch_tokens=tokens))
        weights = full_weights(engine, model.state_dict())
        norm = float(sum(weight.double().square().sum() for weight in weights.values()) ** 0.5)
        results[case] = {
            "losses": [step.loss for step in steps],
            "grad_norms": [step.grad_norm for step in steps],
            "norm": norm,
            "types": sorted({str(w.dtype) for w in weights.values()}),
        }
        engine.destroy()
    if ranks.is_main():
        out.write_text(json.dumps(results))


if __name__ == "__main__":
    end_with(main, Path(sys.argv[1]), Path(sys.argv[2]), Machine(**json.loads(sys.argv[3])), sys.argv[4:])
