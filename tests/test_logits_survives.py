"""Logits files under killed writers, flipped bits, every way of locking, and few descriptors."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.logits_samples import KINDS, SEQUENCE, same, written
from tests.logits_writer import KINDS as WRITTEN
from tests.logits_writer import MERGED
from xstilts_hpc.logits_file import read_logits

ROOT = Path(__file__).resolve().parent.parent


def run(*arguments: object, **environment: str) -> str:
    """Run one of the programs beside this file, and return what it prints."""
    command = [sys.executable, "-m", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=580, check=False
    )
    assert done.returncode == 0, (done.returncode, done.stdout[-200:], done.stderr)
    return done.stdout


def test_a_writer_killed_at_any_moment_leaves_a_whole_file_or_none(tmp_path: Path) -> None:
    killed = [line.split("\t") for line in run("tests.logits_writer", tmp_path, 40).splitlines()]
    assert Counter(sort for sort, _ in killed) == dict.fromkeys((*WRITTEN, MERGED), 40)
    found = Counter(what for _, what in killed)
    assert set(found) <= {"none", "whole"}, found
    assert found["whole"] > 60
    for sort in (*WRITTEN, MERGED):
        left = [path for path in (tmp_path / sort).iterdir() if path.name not in ("x.h5", "parts")]
        assert all(path.name.endswith(".partial") for path in left)
        assert len(left) >= 10, f"of 40 writers of {sort} only {len(left)} were killed while they wrote"
    # What killed writers left is no language, no task and no obstacle.
    path = written(tmp_path / "sequence", sw=SEQUENCE)
    assert same(read_logits(path)["sw"], SEQUENCE)


@pytest.mark.parametrize("seed", [0, 7, 26, 81])
def test_a_flipped_bit_is_noticed_or_harmless(tmp_path: Path, seed: int) -> None:
    flips = [line.split("\t") for line in run("tests.logits_flipper", tmp_path, 1000, seed).splitlines()]
    assert not [flip for flip in flips if flip[2] not in ("refused", "equal")]
    assert len(flips) == 1000
    assert sum(flip[2] == "refused" for flip in flips) > 600
    assert {name for name, _, _ in flips} == set(KINDS)


@pytest.mark.parametrize("locking", ["TRUE", "FALSE", "BEST_EFFORT", None])
def test_files_are_read_and_replaced_whatever_the_locking(tmp_path: Path, locking: str | None) -> None:
    environment = {} if locking is None else {"HDF5_USE_FILE_LOCKING": locking}
    assert run("tests.logits_locker", tmp_path, **environment) == "fine\n"


def test_a_thousand_files_are_read_with_few_descriptors(tmp_path: Path) -> None:
    whole = written(tmp_path, sw=SEQUENCE, de=SEQUENCE).read_bytes()
    (tmp_path / "x.h5").unlink()
    for number in range(1000):
        content = whole if number % 10 else whole[: len(whole) // 2]
        (tmp_path / f"{number}.h5").write_bytes(content.replace(b"schema", b"schemo") if number % 10 == 5 else content)
    assert run("tests.logits_reader", tmp_path, 64) == "read 800, refused 200\n"
