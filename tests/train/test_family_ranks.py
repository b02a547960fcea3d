"""Encoders whose rows are padded, or whose parts have other names, are trained on two ranks as all others are."""

from pathlib import Path

import pytest

from tests.tiny import write_tiny_data
from tests.tiny_families import write_family_model
from tests.train.test_zero import plain_training, train_on_ranks
from xstilts_hpc.machine import Machine


@pytest.mark.parametrize("family", ["deberta-v2", "modernbert"])
def test_two_ranks_have_the_losses_of_plain_pytorch(family: str, tmp_path: Path) -> None:
    write_tiny_data(tmp_path / "data")
    write_family_model(tmp_path / "models" / "tiny", family)
    found = train_on_ranks(tmp_path, Machine(micro_batch_tokens=64, threads=1), ["2 mnli", "3 mnli"])
    losses = plain_training(tmp_path, "mnli").losses
    assert losses[-1] < losses[0]
    for case in found.values():
        assert case["losses"] == pytest.approx(losses, rel=1e-3)
