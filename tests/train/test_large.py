"""The real XLM-R Large, with random weights: trained, killed, resumed, exported and evaluated on a laptop's memory."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from tests.tiny import grid_text
from xstilts_hpc.model.random_model import make_random_model
from xstilts_hpc.run_folder import RunFolder, run_folder

LAYERS, HIDDEN, PIECES = 24, 1024, 250_002
EXAMPLES, UPDATES = 12, 3
MOST_GIB = 20
# Each update of 4 examples has a learning rate of 1, 2/3, 1/3 times 1e-4 and decays weights by half of that.
DECAY = (1 - 0.5e-4) * (1 - 0.5e-4 * 2 / 3) * (1 - 0.5e-4 / 3)
GRID = {
    "model": "{path: models/large}",
    "intermediate": "[{task: none}, {task: mnli, size: full}]",
    "target": "{task: [xnli, tatoeba], languages: [de]}",
    "exclude": (
        "[{where: {task: mnli, target: xnli}, reason: one training is enough},"
        " {where: {task: none, target: tatoeba}, reason: the child is}]"
    ),
    "recipe": "{learning_rate: 1e-4, weight_decay: 0.5, batch_size: 4, epochs: 1, max_length: 128}",
    "recipe_for": "{mnli: {epochs: 1}, xnli: {epochs: 1}}",
}
PROFILE = {
    "schema": 1,
    "kind": "local",
    "ranks": 2,
    "slots": 1,
    "zero_stage": 2,
    "checkpoint_min": 0.001,
    "requeue": {"killed": 1},
}

pytestmark = [pytest.mark.slow, pytest.mark.shared, pytest.mark.timeout(1500)]


@dataclass(frozen=True)
class Finished:
    """A grid that was done in spite of a kill: its root, its trained run, and the most memory of all processes."""

    root: Path
    run: RunFolder
    peak_gib: float


@pytest.fixture(scope="module")
def finished(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    root = tmp_path_factory.mktemp("large")
    try:
        tokenizer = shared_data / "tokenizer" / "xlm-roberta"
        make_random_model(root / "models" / "large", tokenizer=tokenizer, layers=LAYERS, hidden=HIDDEN)
        write_data(root / "data", shared_data)
        (root / "grid.yaml").write_text(grid_text(**GRID), encoding="utf-8")
        (root / "two.yaml").write_text(json.dumps(PROFILE), encoding="utf-8")
        yield submitted(root)
    finally:
        shutil.rmtree(root)  # 13 GB


def write_data(data: Path, shared: Path) -> None:
    """Write the first rows of real files: as many MNLI examples as three updates take, and a few of the others."""
    mnli, download = "MNLI/train.tsv", shared / "download"
    cut(shared / "intermediate" / "mnli" / mnli, data / mnli, EXAMPLES + 1)
    cut(shared / "intermediate" / "mnli" / "MNLI/dev_matched.tsv", data / "MNLI/dev_matched.tsv", 5)
    cut(download / "xnli" / "dev-de.tsv", data / "xnli" / "dev-de.tsv", 6)
    for side in ("deu", "eng"):
        name = f"tatoeba.deu-eng.{side}"
        cut(download / "tatoeba" / name, data / "tatoeba" / name, 5)


def cut(source: Path, target: Path, lines: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"".join(source.read_bytes().splitlines(keepends=True)[:lines]))


def submitted(root: Path) -> Finished:
    """Submit the grid to a pool of this machine, and kill a rank behind the second update."""
    command = [sys.executable, "-m", "xstilts_hpc.cli", "submit", str(root / "grid.yaml"), "--root", str(root)]
    log = root / "pool.log"
    with (
        log.open("w") as file,
        subprocess.Popen(
            [*command, "--profile", str(root / "two.yaml")], stdout=file, stderr=subprocess.STDOUT, env=os.environ
        ) as pool,
        peak_memory(pool.pid) as peak,
    ):
        run = wait_for_updates(root, 2, pool)
        os.kill(run.attempts()[-1]["pid"], signal.SIGKILL)
        code = pool.wait(timeout=1200)
    assert code == 0, log.read_text(encoding="utf-8")
    return Finished(root, run, max(peak))


def wait_for_updates(root: Path, number: int, pool: "subprocess.Popen[bytes]") -> RunFolder:
    """Wait for so many updates of the training; return its run."""
    while pool.poll() is None:
        for history in root.glob("runs/mnli_full_s0-*/history.jsonl"):
            if history.read_text(encoding="utf-8").count("\n") == number:
                return run_folder(root, history.parent.name)
        time.sleep(0.02)
    raise AssertionError((root / "pool.log").read_text(encoding="utf-8"))


@contextmanager
def peak_memory(pid: int) -> Iterator[list[float]]:
    """Yield a list to which the memory of a process and all below it is added while the block goes on, in GiB."""
    found, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            found.append(sum(map(resident_gib, family(pid))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        over.set()
        watcher.join()


def family(pid: int) -> set[int]:
    """Return a process and all below it."""
    parent_of = {int(path.parent.name): parent(path) for path in Path("/proc").glob("[0-9]*/stat")}
    members = {pid}
    while more := {child for child, above in parent_of.items() if above in members} - members:
        members |= more
    return members


def parent(stat: Path) -> int:
    try:
        return int(stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
    except OSError:
        return 0  # it ended meanwhile


def resident_gib(pid: int) -> float:
    try:
        return (
            int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGESIZE") / 2**30
        )
    except OSError:
        return 0.0


def matrix(folder: Path) -> Tensor:
    """Return the embedding of an encoder on disk."""
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        weights: Any = file.get_tensor("embeddings.word_embeddings.weight")
        return weights


def test_a_killed_training_of_xlm_r_large_goes_on_from_its_checkpoint(finished: Finished) -> None:
    killed, completed = finished.run.attempts()
    assert (killed["cause"], completed["cause"]) == ("killed", "completed")
    assert killed["machine"]["zero_stage"] == 2 and killed["ranks"] == 2
    assert (completed["from_step"], completed["to_step"]) == (1, UPDATES)
    lines = [json.loads(line) for line in finished.run.history.read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert not finished.run.checkpoints.exists()


def test_xlm_r_large_trains_and_evaluates_within_the_memory_of_a_laptop(finished: Finished) -> None:
    assert 3 < finished.peak_gib < MOST_GIB


def test_the_encoder_has_the_whole_vocabulary_and_unused_pieces_are_only_decayed(finished: Finished) -> None:
    assert finished.run.done(finished.run.request())
    before, after = matrix(finished.root / "models" / "large"), matrix(finished.run.encoder)
    assert (after.shape, after.dtype) == ((PIECES, HIDDEN), torch.float32)
    moved = (after != before * DECAY).any(dim=1)
    vocabulary = finished.run.attempts()[-1]["vocabulary"]
    assert vocabulary == {"trained": int(moved.sum()), "of": PIECES}
    assert 100 < vocabulary["trained"] < 1000
    # <s>, <pad>, </s>, <unk>: the first and the third stand in every row, the others in none.
    assert moved[:4].tolist() == [True, False, True, False]


def test_xlm_r_large_is_scored_in_a_language_it_was_not_trained_on(finished: Finished) -> None:
    with h5py.File(finished.run.logits("xnli")) as file:
        assert file["de/logits"].shape == (6, 3)
        assert len(file["de/example_id"]) == 6
    assert set(finished.run.scores()["xnli"]) == {"de"}
    assert 0 <= finished.run.scores()["xnli"]["de"]["accuracy"] <= 1


def test_a_child_reads_the_exported_encoder(finished: Finished) -> None:
    (child,) = finished.root.glob("runs/*_after_mnli_full_s0-*")
    folder = run_folder(finished.root, child.name)
    assert folder.done(folder.request())
    assert set(folder.scores()["tatoeba"]) == {"de"}
