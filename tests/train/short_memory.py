"""One update in a process that may take no more memory: writes its loss as JSON."""

import json
import resource
import sys
from pathlib import Path

import numpy as np
import torch

from tests.train.zero_ranks import RECIPE, training_of
from xstilts_hpc.machine import Machine
from xstilts_hpc.train.ranks import join_ranks
from xstilts_hpc.train.update import Updater
from xstilts_hpc.train.zero import start_engine

ITEMS, MORE_BYTES = 6_000, 60_000_000


def main(root: Path, *, bound: bool) -> None:
    """Make a small update, so that all is loaded; then one of many items, where asked with little memory left."""
    torch.set_num_threads(1)
    model, training = training_of(root, "mnli")
    ranks = join_ranks(alone=True)
    engine = start_engine(model.train(), RECIPE, Machine(zero_stage=0), steps=10, world=1)
    (part,) = training.parts
    updater = Updater(engine, ranks, limit=10**9)
    updater.update(part.batches, np.resize(part.items, 100), 0, 0)
    if bound:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MORE_BYTES, resource.RLIM_INFINITY))
    items = np.resize(part.items, ITEMS)
    loss = updater.update(part.batches, items, 1, 0)
    norm = sum(parameter.detach().double().square().sum() for parameter in model.parameters())
    tokens = int(part.batches.lengths[items].sum())
    found = {"loss": float(loss), "norm": float(norm), "limit": updater.limit, "tokens": tokens}
    (root / "out.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), bound=sys.argv[2] == "bound")
