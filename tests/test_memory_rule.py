"""The rule counts what is held: measured again here, on a small model and on the CPU; and what follows from it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from tests.train.memory_ranks import batch, held, model_of
from tests.train.test_zero import RANKS, train_on_ranks
from xstilts_hpc.machine import Machine
from xstilts_hpc.memory_rule import (
    Settings,
    Trained,
    fitting_tokens,
    held_bytes,
    kept_bytes,
    recommend,
    runs_that_fit,
    saved_bytes_per_token,
    token_bytes,
    update_bytes,
)
from xstilts_hpc.train.memory import trained_of
from xstilts_hpc.train.ranks import join_ranks

GB = 10**9
LARGE = Trained(parameters=365_000_000, computing=302_000_000, layers=24, hidden=1024)
BF16 = Machine(zero_stage=2, precision="bf16")


def saved_by_autograd(machine: Machine, rows: int) -> int:
    """Return the bytes that a forward pass of rows of 64 tokens keeps for the backward pass, weights left out."""
    model = model_of(6, 128).train()
    for layer in model.encoder.encoder.layer:  # type: ignore[union-attr]
        layer.attention.self.dropout.p = 0.0  # else a CPU computes and keeps the scores, a GPU does not
    if machine.activation_checkpointing:
        model.encoder.gradient_checkpointing_enable({"use_reentrant": False})  # type: ignore[operator]
    weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
        return tensor

    tokens = replace(batch(rows, 64), words=torch.arange(64 * rows))  # all are read, as in question answering
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        with torch.autocast("cpu", torch.bfloat16, enabled=machine.precision == "bf16"):
            logits = model(tokens)
        loss = functional.cross_entropy(logits.float(), tokens.gold)
    assert loss.requires_grad
    return sum(storage.nbytes() for key, storage in kept.items() if key not in weights)


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable`:FutureWarning")
@pytest.mark.parametrize("again", [False, True], ids=["kept", "computed again"])
@pytest.mark.parametrize(("precision", "mask_bytes"), [("fp32", 4), ("bf16", 2)])
def test_what_autograd_keeps_of_a_token_is_what_the_rule_says(precision: str, mask_bytes: int, again: bool) -> None:
    machine = Machine(precision=precision, activation_checkpointing=again)
    few, many = (saved_by_autograd(machine, rows) for rows in (8, 24))
    rule = saved_bytes_per_token(trained_of(model_of(6, 128)), machine, mask_bytes)
    assert (many - few) / (16 * 64) == pytest.approx(rule, rel=0.1)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # DeepSpeed calls what torch has renamed
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_one_rank_holds_what_the_rule_says(stage: int, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xstilts_hpc.train.zero._BUCKET", 1_000)  # of the real size, larger than this model
    machine = Machine(zero_stage=stage, precision=precision)
    found = held(machine, join_ranks(alone=True))
    trained = Trained(**found["trained"])
    assert found["kept"] == pytest.approx(kept_bytes(trained, machine, 1), rel=0.02)
    assert found["held"] == pytest.approx(held_bytes(trained, machine, 1), rel=0.1)
    assert found["update"] < 1.02 * update_bytes(trained, machine, 1)


def test_two_ranks_hold_what_the_rule_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xstilts_hpc.memory_rule._LIVE", 2_000)  # as the bucket in memory_ranks
    cases = [f"{stage} fp32" for stage in range(4)]
    results = train_on_ranks(tmp_path, Machine(), cases, module="tests.train.memory_ranks")
    for case in cases:
        machine, found = Machine(zero_stage=int(case.split()[0])), results[case]
        trained = Trained(**found["trained"])
        assert found["kept"] == pytest.approx(kept_bytes(trained, machine, RANKS), rel=0.05), case
        assert found["held"] == pytest.approx(held_bytes(trained, machine, RANKS), rel=0.1), case
        assert found["update"] < 1.02 * update_bytes(trained, machine, RANKS), case


def test_bytes_of_a_parameter_by_hand() -> None:
    one = Trained(parameters=1, computing=0, layers=0, hidden=0)
    stages = [replace(Machine(), zero_stage=stage) for stage in range(4)]
    assert [kept_bytes(one, machine, 4) for machine in stages] == [12, 7, 7, 5]
    assert [held_bytes(one, machine, 4) for machine in stages] == [16, 11, 11, 13]
    assert kept_bytes(one, replace(stages[2], offload_optimizer=True), 4) == 4


def test_a_token_of_a_language_model_costs_its_vocabulary() -> None:
    masked = replace(LARGE, outputs=250_002)
    assert token_bytes(masked, BF16) - token_bytes(LARGE, BF16) == pytest.approx(0.15 * 16 * 250_002)


def test_runs_side_by_side_share_the_memory() -> None:
    alone = fitting_tokens(80 * GB, LARGE, BF16, 1)
    shared = fitting_tokens(80 * GB, LARGE, replace(BF16, runs_per_gpu=2), 1)
    assert 0 < shared < alone / 2


@pytest.mark.parametrize(("memory_gb", "runs"), [(80, 4), (24, 2), (12, 1), (5, 1)])
def test_as_many_runs_as_memory_holds_and_at_least_one(memory_gb: int, runs: int) -> None:
    assert runs_that_fit(memory_gb * GB, LARGE, machine=Machine(zero_stage=0), wanted=4, longest=512) == runs


@pytest.mark.parametrize(
    ("memory_gb", "ranks", "stage", "again", "offload"),
    [
        (80, 1, 0, False, False),
        (80, 4, 2, False, False),
        (10, 1, 0, True, False),
        (8, 1, 2, True, True),
        (6, 8, 3, True, False),
    ],
)
def test_time_is_given_for_memory_only_where_it_is_short(
    memory_gb: int, ranks: int, stage: int, again: bool, offload: bool
) -> None:
    found = recommend(memory_gb * GB, LARGE, machine=BF16, ranks=ranks, share=8_192)
    assert (found.zero_stage, found.activation_checkpointing, found.offload_optimizer) == (stage, again, offload)
    assert found.micro_batch_tokens > 512


def test_nothing_fits_a_small_gpu() -> None:
    assert recommend(4 * GB, LARGE, machine=BF16, ranks=1, share=8_192) == Settings(0, False, False, 0)
