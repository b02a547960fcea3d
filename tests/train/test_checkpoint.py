"""A training that is cut and resumed ends with the same weights, bit by bit; damaged checkpoints are passed over."""

from pathlib import Path
from typing import Any

import pytest

from tests.train.test_zero import train_on_ranks
from xstilts_hpc.errors import RunError
from xstilts_hpc.files import read_json, write_json
from xstilts_hpc.machine import Machine
from xstilts_hpc.train.checkpoint import Checkpoints
from xstilts_hpc.train.ranks import Ranks, join_ranks


class Engine:
    """Writes and reads a file where DeepSpeed would write and read its shards."""

    def __init__(self, content: str = "weights") -> None:
        self.content = content

    def save_checkpoint(self, folder: str, *, tag: str, client_state: dict[str, Any], save_latest: bool) -> None:
        assert not save_latest
        (Path(folder) / tag).mkdir(parents=True)
        (Path(folder) / tag / "shard.pt").write_text(f"{self.content} after {client_state['step']}")

    def load_checkpoint(self, folder: str, *, tag: str) -> tuple[str, dict[str, Any]]:
        self.content = (Path(folder) / tag / "shard.pt").read_text()
        return folder, {}


@pytest.fixture(scope="module")
def alone() -> Ranks:
    return join_ranks(alone=True)


def checkpoints(folder: Path, alone: Ranks, ranks: int = 1) -> Checkpoints:
    return Checkpoints(folder, alone, {"run": "r", "ranks": ranks}, folder.parent)


def resumed_as_whole(root: Path, cases: list[str]) -> None:
    """Check that the cases have the losses and the weights of trainings that were not cut, bit by bit."""
    machine = Machine(micro_batch_tokens=40, threads=1, compact_vocabulary=False)
    results = train_on_ranks(root, machine, cases, module="tests.train.resume_ranks")
    for case in cases:
        assert len(results[case]["whole"]) >= 20
        assert results[case]["parts"] == results[case]["whole"], case
        assert results[case]["same_weights"], case


@pytest.mark.timeout(400)
def test_a_resumed_training_is_the_same_bit_by_bit_at_every_stage(tiny_root: Path) -> None:
    text = tiny_root / "data" / "text" / "en.txt"
    text.parent.mkdir()
    text.write_text("a cat sat in New York\ntwo old men ran\n", encoding="utf-8")
    resumed_as_whole(tiny_root, ["0 panx", "1 mnli", "2 mixture", "3 mixture"])


@pytest.mark.timeout(400)
def test_in_bf16_and_with_the_optimizer_on_the_host_too(tiny_root: Path) -> None:
    resumed_as_whole(tiny_root, ["0 mnli bf16", "1 panx bf16", "2 mnli bf16", "3 panx bf16"])
    resumed_as_whole(tiny_root, ["1 mnli offload", "2 mnli offload", "3 mnli offload", "2 mnli bf16 offload"])


@pytest.mark.timeout(400)
def test_with_a_compact_vocabulary_and_activation_checkpointing_too(tiny_root: Path) -> None:
    resumed_as_whole(tiny_root, ["0 mnli compact", "2 mnli compact checkpointing"])


def test_saves_take_turns_and_the_newest_is_loaded(tmp_path: Path, alone: Ranks) -> None:
    saved = checkpoints(tmp_path, alone)
    for step in (10, 20, 30):
        saved.save(Engine(), step)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["CURRENT.json", "a", "b"]
    engine = Engine()
    assert checkpoints(tmp_path, alone).load(engine).step == 30
    assert engine.content == "weights after 30"


def test_nothing_saved_begins_at_the_beginning(tmp_path: Path, alone: Ranks) -> None:
    resumed = checkpoints(tmp_path / "none", alone).load(Engine())
    assert (resumed.step, resumed.passed_over) == (0, ())


def change(path: Path, **values: Any) -> None:
    write_json(path, {**read_json(path), **values})


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda slot: (slot / "MANIFEST.json").unlink(), "no manifest, so its writing was cut off"),
        (lambda slot: (slot / "state" / "shard.pt").unlink(), "missing or of another size"),
        (lambda slot: (slot / "state" / "shard.pt").write_text("short"), "missing or of another size"),
        (lambda slot: (slot / "state" / "shard.pt").write_text("wEights after 20"), "differs from its SHA-256"),
        (lambda slot: (slot / "state" / "more.pt").write_text("x"), "state/more.pt is not in its manifest"),
        (lambda slot: (slot / "MANIFEST.json").write_text("[]"), "no manifest, so its writing was cut off"),
        (lambda slot: change(slot / "MANIFEST.json", step="20"), "step is '20', expected int"),
        (lambda slot: change(slot / "MANIFEST.json", files=[{"path": "state/shard.pt"}]), "missing 2 required"),
    ],
    ids=["manifest gone", "file gone", "truncated", "flipped", "file added", "no mapping", "step", "files"],
)
def test_a_damaged_slot_is_passed_over_for_the_older_one(
    tmp_path: Path, alone: Ranks, damage: Any, reason: str
) -> None:
    saved = checkpoints(tmp_path, alone)
    saved.save(Engine(), 10)
    saved.save(Engine(), 20)
    damage(tmp_path / "b")
    engine = Engine()
    resumed = checkpoints(tmp_path, alone).load(engine)
    assert (resumed.step, engine.content) == (10, "weights after 10")
    assert len(resumed.passed_over) == 1 and reason in resumed.passed_over[0]
    saved.save(Engine(), 30)
    assert checkpoints(tmp_path, alone).load(engine).step == 30
    assert (tmp_path / "a" / "state" / "shard.pt").read_text() == "weights after 10"


def test_a_checkpoint_of_other_ranks_is_passed_over_and_said(tmp_path: Path, alone: Ranks) -> None:
    checkpoints(tmp_path, alone, ranks=2).save(Engine(), 10)
    resumed = checkpoints(tmp_path, alone, ranks=1).load(Engine())
    assert (resumed.step, resumed.passed_over) == (0, ("a: ranks was 2, now 1",))


def test_a_checkpoint_that_others_could_have_written_is_not_loaded(tmp_path: Path, alone: Ranks) -> None:
    folder = tmp_path / "checkpoints"
    checkpoints(folder, alone).save(Engine(), 10)
    (folder / "a" / "state" / "shard.pt").chmod(0o646)
    engine = Engine("untouched")
    with pytest.raises(RunError, match=r"shard\.pt may be written by everybody.*chmod o-w "):
        checkpoints(folder, alone).load(engine)
    assert engine.content == "untouched"


def test_a_checkpoint_holds_no_links(tmp_path: Path, alone: Ranks) -> None:
    folder = tmp_path / "checkpoints"
    checkpoints(folder, alone).save(Engine(), 10)
    shard = folder / "a" / "state" / "shard.pt"
    shard.rename(tmp_path / "elsewhere.pt")
    shard.symlink_to(tmp_path / "elsewhere.pt")
    with pytest.raises(RunError, match=r"shard\.pt is a symbolic link"):
        checkpoints(folder, alone).load(Engine())
