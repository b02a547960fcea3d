"""What one execution of a run holds in memory from step to step."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from deepspeed import DeepSpeedEngine

from tests.tiny import grid_text
from xstilts_hpc.expand import expand
from xstilts_hpc.grid import load_grid
from xstilts_hpc.machine import Machine
from xstilts_hpc.plan import Stage
from xstilts_hpc.run_folder import run_folder
from xstilts_hpc.train.evaluate import predict_all
from xstilts_hpc.train.execute import execute
from xstilts_hpc.train.work import Work


@pytest.fixture(autouse=True)
def _no_collection_by_chance() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def engines() -> int:
    return sum(issubclass(type(thing), DeepSpeedEngine) for thing in gc.get_objects())


@pytest.mark.parametrize("stage", [0, 2])
def test_nothing_of_the_training_is_in_memory_when_predictions_begin(
    tiny_root: Path, monkeypatch: pytest.MonkeyPatch, stage: int
) -> None:
    found: list[int] = []

    def looking(work: Work) -> None:
        found.append(engines())
        predict_all(work)

    monkeypatch.setattr("xstilts_hpc.train.execute.predict_all", looking)
    (tiny_root / "grid.yaml").write_text(grid_text(intermediate="[{task: mnli}]", target="{task: xnli}"))
    plan = expand(load_grid(tiny_root / "grid.yaml"), root=tiny_root)
    planned = next(planned for planned in plan.runs.values() if planned.stage == Stage.INTERMEDIATE)
    folder = run_folder(tiny_root, planned.run.id)
    folder.prepare(planned.run, planned.request)
    execute(tiny_root, planned.run.id, Machine(zero_stage=stage, threads=1), alone=True)
    assert folder.history.is_file() and found == [0]
