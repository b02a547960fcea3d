"""What one execution of a run holds in memory from step to step, and that its encoder is the same however it trains."""

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from deepspeed import DeepSpeedEngine
from safetensors.torch import load_file

from tests.tiny import grid_text
from xstilts_hpc.expand import expand
from xstilts_hpc.grid import load_grid
from xstilts_hpc.machine import Machine
from xstilts_hpc.plan import Stage
from xstilts_hpc.run_folder import RunFolder, run_folder
from xstilts_hpc.train.evaluate import predict_all
from xstilts_hpc.train.execute import execute
from xstilts_hpc.train.stop import StoppedError
from xstilts_hpc.train.update import Updater
from xstilts_hpc.train.work import Work


@pytest.fixture(autouse=True)
def _no_collection_by_chance() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def engines() -> int:
    return sum(issubclass(type(thing), DeepSpeedEngine) for thing in gc.get_objects())


def prepared(root: Path, **changes: str) -> RunFolder:
    """Prepare a run of an intermediate training."""
    (root / "grid.yaml").write_text(grid_text(intermediate="[{task: mnli}]", target="{task: xnli}", **changes))
    plan = expand(load_grid(root / "grid.yaml"), root=root)
    planned = next(planned for planned in plan.runs.values() if planned.stage == Stage.INTERMEDIATE)
    folder = run_folder(root, planned.run.id)
    folder.prepare(planned.run, planned.request)
    return folder


@pytest.mark.parametrize("stage", [0, 2])
def test_nothing_of_the_training_is_in_memory_when_predictions_begin(
    tiny_root: Path, monkeypatch: pytest.MonkeyPatch, stage: int
) -> None:
    found: list[int] = []
    gc.collect()
    of_others = engines()  # what earlier tests of this process hold

    def looking(work: Work) -> None:
        found.append(engines() - of_others)
        predict_all(work)

    monkeypatch.setattr("xstilts_hpc.train.execute.predict_all", looking)
    folder = prepared(tiny_root)
    execute(tiny_root, folder.path.name, Machine(zero_stage=stage, threads=1), alone=True)
    assert folder.history.is_file() and found == [0]


@pytest.mark.parametrize("stage", [0, 2])
def test_a_run_on_the_compact_vocabulary_stopped_and_resumed_saves_the_encoder_of_the_whole_one(
    tiny_root: Path, monkeypatch: pytest.MonkeyPatch, stage: int
) -> None:
    rates = "{learning_rate: 1e-2, weight_decay: 0.1, batch_size: 4, min_steps: 100, max_length: 64}"
    update = Updater.update

    def stopping(updater: Updater, batches: Any, items: Any, step: int, seed: int) -> torch.Tensor:
        if step == 37:
            os.kill(os.getpid(), signal.SIGTERM)
        return update(updater, batches, items, step, seed)

    whole = prepared(tiny_root, recipe=rates)
    execute(tiny_root, whole.path.name, Machine(zero_stage=stage, threads=1, compact_vocabulary=False), alone=True)
    expected = load_file(whole.encoder / "model.safetensors")
    whole.path.rename(tiny_root / "whole")
    run, machine = prepared(tiny_root, recipe=rates), Machine(zero_stage=stage, threads=1)
    with monkeypatch.context() as patch:
        patch.setattr(Updater, "update", stopping)
        with pytest.raises(StoppedError, match="after update 38 of 100"):
            execute(tiny_root, run.path.name, machine, alone=True)
    execute(tiny_root, run.path.name, machine, alone=True)
    found, vocabulary = load_file(run.encoder / "model.safetensors"), run.attempts()[-1]["vocabulary"]
    assert vocabulary["trained"] < vocabulary["of"] and run.attempts()[-1]["from_step"] == 38
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        assert torch.allclose(found[name], weight, rtol=1e-5, atol=1e-6), name
    before = load_file(tiny_root / "models" / "tiny" / "model.safetensors")["embeddings.word_embeddings.weight"]
    assert not torch.equal(expected["embeddings.word_embeddings.weight"][-2], before[-2])  # decay moved it
