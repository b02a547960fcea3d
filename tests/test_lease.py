"""One holder at a time; the dead are succeeded, the living are not, whatever machine they are on."""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from xstilts_hpc.errors import LockError
from xstilts_hpc.lease import SILENT_S, Holder, LeaseLostError, hold, seems_held

HOLD = """
import sys, time
from pathlib import Path
from xstilts_hpc.lease import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
SHORT = HOLD.replace("(Path(sys.argv[1]))", "(Path(sys.argv[1]), silent_s=0.5)")


def holder_elsewhere(path: Path) -> Holder:
    """Write the lease of a process of another machine."""
    with hold(path) as lease:
        mine = lease.holder
    other = replace(mine, host="elsewhere", boot="another", time="2026-01-01T00:00:00Z", job="17")
    path.write_text(json.dumps(asdict(other)), encoding="utf-8")
    return other


def test_a_lease_says_who_holds_it_and_is_released(tmp_path: Path) -> None:
    path = tmp_path / "g" / "LOCK"
    with hold(path):
        held = rf"LOCK is held by process {os.getpid()} on .* since 2.*remove the file: rm /"
        with pytest.raises(LockError, match=held), hold(path):
            pass
        assert path.is_file()
    assert list(path.parent.iterdir()) == []


def test_a_killed_holder_of_this_machine_is_succeeded_at_once(tmp_path: Path) -> None:
    path = tmp_path / "LEASE"
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    with pytest.raises(LockError, match=f"held by process {child.pid} "), hold(path):
        pass
    child.kill()
    child.communicate()
    assert seems_held(path) is None
    start_s = time.monotonic()
    with hold(path) as lease:
        assert lease.holder.pid == os.getpid()
    assert time.monotonic() - start_s < SILENT_S


def test_a_silent_holder_of_another_machine_is_succeeded(tmp_path: Path) -> None:
    path = tmp_path / "LEASE"
    holder_elsewhere(path)
    with hold(path, silent_s=0.6) as lease:
        assert lease.holder.pid == os.getpid()


def test_a_holder_of_another_machine_that_gives_signs_of_life_is_not(tmp_path: Path) -> None:
    path = tmp_path / "LEASE"
    holder_elsewhere(path)
    beat = threading.Timer(0.7, os.utime, [path])
    beat.start()
    with pytest.raises(LockError, match="on elsewhere since 2026-01-01T00:00:00Z, job 17"), hold(path, silent_s=5):
        pass
    beat.join()


def test_who_was_succeeded_notices_and_leaves_the_others_lease_alone(tmp_path: Path) -> None:
    path = tmp_path / "LEASE"
    with hold(path) as lease:
        lease.check()
        path.unlink()
        holder_elsewhere(path)
        with pytest.raises(LeaseLostError, match=r"no longer held by this process .*elsewhere"):
            lease.check()
    found = seems_held(path)
    assert found is not None and found.host == "elsewhere"


def test_only_one_of_many_gets_a_lease_of_the_dead(tmp_path: Path) -> None:
    path = tmp_path / "LEASE"
    dead = replace(holder_elsewhere(path), pid=2**22 + 1)
    path.write_text(json.dumps(asdict(dead)), encoding="utf-8")
    children = [
        subprocess.Popen(
            [sys.executable, "-c", SHORT, str(path)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    try:
        deadline = time.monotonic() + 30
        while sum(child.poll() is None for child in children) > 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert sum(child.poll() is None for child in children) == 1
    finally:
        for child in children:
            child.kill()
            child.communicate()


def test_a_lease_that_cannot_be_read_is_somebodys_until_it_is_silent(tmp_path: Path) -> None:
    path = tmp_path / "LEASE"
    path.write_text("torn", encoding="utf-8")
    beat = threading.Timer(0.7, os.utime, [path])
    beat.start()
    with pytest.raises(LockError, match="is held by process 0 on"), hold(path, silent_s=5):
        pass
    beat.join()
    with hold(path, silent_s=0.6) as lease:
        lease.check()


def test_an_old_lease_of_another_machine_holds_nobody_who_only_looks(tmp_path: Path) -> None:
    path = tmp_path / "LEASE"
    other = holder_elsewhere(path)
    assert seems_held(path) == other
    os.utime(path, (1_000_000, 1_000_000))
    assert seems_held(path) is None
    with hold(path, silent_s=0.6) as lease:
        assert seems_held(path) == lease.holder


def test_a_failed_beat_is_followed_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.utime, []

    def fail_once(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:
            raise OSError(116, "stale file handle")
        real(descriptor)

    monkeypatch.setattr("xstilts_hpc.lease.BEAT_S", 0.05)
    monkeypatch.setattr(os, "utime", fail_once)
    with hold(tmp_path / "LEASE") as lease:
        deadline = time.monotonic() + 5
        while len(calls) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        lease.check()
    assert len(calls) >= 3
