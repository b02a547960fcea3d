"""What starts with an engine: nothing that no update needs."""

import os
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
PROGRAM = """
import sys
import torch
from xstilts_hpc.machine import Machine
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.train.ranks import join_ranks
from xstilts_hpc.train.zero import start_engine

join_ranks(alone=True)
engine = start_engine(torch.nn.Linear(4, 4), Recipe(), Machine(zero_stage=2), steps=1, world=1)
engine.backward(engine(torch.ones(1, 4)).sum())
engine.step()
print("torch._inductor.compile_fx" in sys.modules, engine.zero_optimization_stage())
"""


def test_an_engine_starts_no_compiler() -> None:
    environment = {**os.environ, "PYTHONPATH": str(TOP), "DS_ACCELERATOR": "cpu"}
    command = [sys.executable, "-c", PROGRAM]
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=True)
    assert answer.stdout.splitlines()[-1] == "False 2"
