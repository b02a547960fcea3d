"""A checkpoint that cannot be saved: the error names the reason, whatever torch says."""

import errno
from pathlib import Path

import pytest
import torch

from tests.cluster.faults.strike import may_mount, small_disk
from xstilts_hpc.causes import Cause
from xstilts_hpc.train.checkpoint import Checkpoints
from xstilts_hpc.train.ranks import Ranks
from xstilts_hpc.train.record import cause_of


class Engine:
    """Saves as DeepSpeed does: a file of torch in the folder of the tag."""

    def save_checkpoint(self, slot: str, tag: str, **_options: object) -> None:
        folder = Path(slot) / tag
        folder.mkdir(parents=True)
        torch.save(torch.zeros(50_000), folder / "state.pt")


@pytest.mark.skipif(not may_mount(), reason="needs root, to mount a small file system")
def test_a_checkpoint_on_a_full_disk_is_of_cause_disk_full(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints", Ranks(0, 1, 0, torch.device("cpu")), {}, tmp_path)
    with small_disk(checkpoints.folder), pytest.raises(OSError, match="No space left on device") as raised:
        checkpoints.save(Engine(), 1)
    assert raised.value.errno == errno.ENOSPC
    assert cause_of(raised.value) == Cause.DISK_FULL


class LostEngine:
    """Waits for the main rank, which was killed before it made the folder."""

    def save_checkpoint(self, slot: str, tag: str, **_options: object) -> None:
        raise RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:40103")


def test_a_main_rank_lost_before_a_save_is_no_failure_of_another_one(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints", Ranks(0, 1, 0, torch.device("cpu")), {}, tmp_path)
    with pytest.raises(RuntimeError, match="closed by peer") as raised:
        checkpoints.save(LostEngine(), 1)
    assert cause_of(raised.value) == Cause.KILLED
