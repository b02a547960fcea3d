"""ZeRO on several ranks is the same computation as a plain PyTorch loop."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from tests.train.zero_ranks import LONG, RECIPE, training_of
from xstilts_hpc.machine import Machine
from xstilts_hpc.ports import free_port
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.train.zero import decay_groups, warmup_decay

RANKS = 2


@dataclass(frozen=True)
class Plain:
    """Of every update the loss and the norm of the gradient before clipping; and the norm of all weights at the end."""

    losses: list[float]
    grad_norms: list[float]
    norm: float


@pytest.fixture(autouse=True)
def _as_many_threads_as_a_rank() -> Iterator[None]:
    """Sums of several threads round otherwise, which a high learning rate makes tenfold every 4 updates."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def train_on_ranks(
    root: Path, machine: Machine, cases: list[str], module: str = "tests.train.zero_ranks"
) -> dict[str, Any]:
    """Train the cases (a stage and a task) with two processes; return what the main rank wrote."""
    ended = run_ranks(root, machine, cases, module)
    assert [code for code, _ in ended] == [0] * RANKS, ended
    results: dict[str, Any] = json.loads((root / "out.json").read_text())
    return results


def run_ranks(root: Path, machine: Machine, cases: list[str], module: str) -> list[tuple[int, str]]:
    """Run a module with two processes; return the exit code and the standard error of each."""
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    common = {**address, "WORLD_SIZE": str(RANKS), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", module, str(root), str(root / "out.json"), json.dumps(asdict(machine)), *cases]
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank), "GLOO_SOCKET_IFNAME": "lo"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(RANKS)
    ]
    errors = [process.communicate(timeout=300)[1] for process in processes]
    return [(process.returncode, error) for process, error in zip(processes, errors, strict=True)]


def plain_training(root: Path, name: str, recipe: Recipe = RECIPE) -> Plain:
    """Train with nothing but PyTorch on whole effective batches."""
    model, training = training_of(root, name, recipe=recipe)
    optimizer = torch.optim.AdamW(decay_groups(model, recipe.weight_decay), lr=recipe.learning_rate, eps=1e-8)
    steps = sum(training.updates)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_decay(recipe.warmup_fraction, steps))
    losses, grad_norms = [], []
    for step, (part, items) in enumerate(training.effective_batches(recipe.batch_size)):
        batch = part.batches.make(items, step)
        loss = functional.cross_entropy(model(batch), batch.gold)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        grad_norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.max_grad_norm)))
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    norm = float(sum(p.detach().double().square().sum() for p in model.parameters()) ** 0.5)
    return Plain(losses, grad_norms, norm)


def test_every_stage_and_kind_on_two_ranks_gives_the_losses_of_plain_pytorch(tiny_root: Path) -> None:
    cases = ["0 panx", "1 panx", "2 panx", "3 panx", "2 mnli", "2 hellaswag", "2 squad_v1"]
    results = train_on_ranks(tiny_root, Machine(micro_batch_tokens=40, threads=1), [*cases, "2 mnli long"])
    plain = {name: plain_training(tiny_root, name) for name in ("panx", "mnli", "hellaswag", "squad_v1")}
    assert max(plain["panx"].grad_norms) > RECIPE.max_grad_norm
    for case in cases:
        one = plain[case.split()[1]]
        assert one.losses[-1] < one.losses[0], case
        assert results[case]["losses"] == pytest.approx(one.losses, rel=1e-4), case
        assert results[case]["grad_norms"] == pytest.approx(one.grad_norms, rel=1e-3, abs=1e-6), case
        assert results[case]["norm"] == pytest.approx(one.norm, rel=1e-4), case
    long = plain_training(tiny_root, "mnli", LONG).losses
    assert len(long) == 50 and long[-1] < long[0]
    assert results["2 mnli long"]["losses"] == pytest.approx(long, rel=1e-4)


def test_a_mixture_of_every_kind_with_masked_text_is_the_same_at_every_stage(tiny_root: Path) -> None:
    text = tiny_root / "data" / "text" / "en.txt"
    text.parent.mkdir()
    text.write_text("a cat sat in New York\ntwo old men ran\n", encoding="utf-8")
    cases = [f"{stage} mixture" for stage in range(4)]
    results = train_on_ranks(tiny_root, Machine(micro_batch_tokens=40, threads=1), cases)
    plain = plain_training(tiny_root, "mixture")
    assert len(plain.losses) == 25
    for case in cases:
        assert results[case]["losses"] == pytest.approx(plain.losses, rel=1e-4), case
        assert results[case]["grad_norms"] == pytest.approx(plain.grad_norms, rel=1e-3), case
        assert results[case]["norm"] == pytest.approx(plain.norm, rel=1e-4), case


def test_bf16_by_autocast_keeps_fp32_weights_and_learns_alike(tiny_root: Path) -> None:
    (result,) = train_on_ranks(
        tiny_root, Machine(precision="bf16", micro_batch_tokens=4096, threads=1), ["2 mnli"]
    ).values()
    losses = plain_training(tiny_root, "mnli").losses
    assert result["types"] == ["torch.float32"]
    assert result["losses"][:5] == pytest.approx(losses[:5], rel=0.05)
    assert result["losses"][0] != losses[0]


def test_gradients_are_summed_in_fp32_at_every_stage_whatever_computed_them(tiny_root: Path) -> None:
    cases = [f"{stage} mnli" for stage in range(3)]
    results = train_on_ranks(tiny_root, Machine(precision="bf16", micro_batch_tokens=4096, threads=1), cases)
    losses, norms = results["0 mnli"]["losses"], results["0 mnli"]["grad_norms"]
    for case in cases[1:]:  # 1e-2 apart where stages 1 and 2 sum gradients in bf16
        assert results[case]["losses"] == pytest.approx(losses, abs=2e-3), case
        assert results[case]["grad_norms"][:5] == pytest.approx(norms[:5], rel=2e-3), case


def test_biases_and_layer_norms_are_not_decayed_whoever_named_them(tiny_root: Path) -> None:
    (tiny_root / "data" / "text").mkdir()
    (tiny_root / "data" / "text" / "en.txt").write_text("a cat\n", encoding="utf-8")
    model, _ = training_of(tiny_root, "mixture")
    name_of = {id(parameter): name for name, parameter in model.named_parameters()}
    decayed, plain = ([name_of[id(p)] for p in group["params"]] for group in decay_groups(model, 0.01))
    assert not [name for name in decayed if "norm" in name.lower() or name.endswith("bias")]
    assert all("norm" in name.lower() or name.endswith("bias") for name in plain)
    assert "heads.mlm.layer_norm.weight" in plain and "heads.mlm.dense.weight" in decayed


def test_the_learning_rate_rises_and_falls_linearly() -> None:
    factor = warmup_decay(0.2, 10)
    assert [factor(step) for step in (0, 1, 2, 6, 10)] == [0.0, 0.5, 1.0, 0.5, 0.0]
