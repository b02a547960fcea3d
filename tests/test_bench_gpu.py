"""tools/bench_gpu.py: all of it runs on a CPU, wrong attention ends it, and FLOPs are those counted by hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

TOOLS = Path(__file__).resolve().parent.parent / "tools"

# Attention that sees all rows as one.
WRONG = """
import bench_attention, torch
from xstilts_hpc.data.rows import rows_of
right = bench_attention.packed_attention
def wrong(*parts, rows, dropout):
    return right(*parts, rows=rows_of([sum(rows.lengths)]) if broken else rows, dropout=dropout)
bench_attention.packed_attention = wrong
broken = False
expected = bench_attention._attended
def attended(*arguments):
    global broken
    found, broken = expected(*arguments), True
    return found
bench_attention._attended = attended
bench_attention.check_attention(torch.device("cpu"))
"""

# Two rows of 3 and 5 tokens, read by 2 layers of 64 hidden units and a head of 3 labels.
COUNT = """
import numpy as np, pyarrow as pa
from bench_roofline import flops_of
from xstilts_hpc.data.encode import Encoded
from xstilts_hpc.tasks import task_of
table = pa.table({"input_ids": [[0, 5, 2], [0, 5, 6, 7, 2]]})
task = task_of("mnli")
print(flops_of(Encoded(task.kind, table, 1), task, "tiny", training=False))
print(flops_of(Encoded(task.kind, table, 1), task, "tiny", training=True))
"""


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=TOOLS, timeout=500, check=False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here, so everything would be measured")
def test_without_a_gpu_it_says_what_it_needs() -> None:
    answer = python("bench_gpu.py")
    assert (answer.returncode, answer.stdout) == (4, "")
    assert "no CUDA device here. It needs one GPU" in answer.stderr


def test_attention_across_rows_ends_everything() -> None:
    answer = python("-c", WRONG)
    assert answer.returncode == 1
    assert "bench_gpu: attention in fp32 differs by" in answer.stderr


def test_flops_are_those_counted_by_hand() -> None:
    # 2 layers: 24 * 64 * 64 for each of 8 tokens, 4 * 64 * (9 + 25) for attention; head: 2 * 64 * (128 + 3) a row.
    # Of 6 tokens nothing is read, so they are spared 18 * 64 * 64 behind the last attention.
    forward = 2 * (24 * 64 * 64 * 8 + 4 * 64 * 34) - 18 * 64 * 64 * 6 + 2 * 2 * 64 * 131
    answer = python("-c", COUNT)
    assert answer.stdout.split() == [f"{forward}.0", f"{3 * forward}.0"], answer.stderr


@pytest.mark.slow
def test_all_of_it_runs_on_a_cpu() -> None:
    answer = python("bench_gpu.py", "--dry-run", "--kinds", "panx")
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert report["check"]["attention, bf16"] < 0.05
    assert 0.2 < report["check"]["dropped, bf16"] < 0.3
    trainings = ("ours_zero0_2", "ours_zero0_4", "padded_4", "trainer_4", "trainer_zero0_4", "2_together")
    predictions = (f"{way}_{p}" for way in ("padded", "trainer", "ours") for p in ("fp32", "autocast"))
    wanted = {*(f"train_{name}" for name in trainings), *(f"predict_{name}" for name in predictions)}
    ratios = [report["panx"].pop(f"{part}_ratios") for part in ("train", "predict")]
    assert [len(found) for found in ratios] == [3, 6]
    assert set(report["panx"]) == {*wanted, "predict_ours_bf16"}
    told = ("tokens_per_s", "flop_utilisation", "of_roofline")
    assert all(found[name] > 0 for found in report["panx"].values() for name in told)
