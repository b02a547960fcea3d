"""A disk that is full, or a root that this user may not write to: one message, and what can go on goes on."""

import errno
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cluster.cleaned_roots import finish, planned, write
from tests.cluster.faults.strike import may_mount, small_disk
from tests.cluster.trivial_runs import make_plan, run_of
from tests.test_cli import grid, is_one_message, xstilts
from xstilts_hpc import cli
from xstilts_hpc.cluster import clean as cleaning
from xstilts_hpc.cluster.clean import What, clean
from xstilts_hpc.disk import FullDiskError
from xstilts_hpc.files import write_text
from xstilts_hpc.plan import Plan
from xstilts_hpc.run_folder import run_folder

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FULL, "error: the disk (or a quota) is full; make room"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "a/b.csv"), "error: a/b.csv: the disk (or a quota) is full; "),
        (PermissionError(errno.EACCES, "Permission denied", "a/b"), "error: a/b: Permission denied; this user may not"),
        (OSError(errno.EIO, "Input/output error", "a/b"), "error: a/b: Input/output error\n"),
        (OSError("no number"), "error: no number\n"),
    ],
)
def test_what_the_system_refuses_is_one_message(
    error: OSError, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def app() -> None:
        raise error

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit, match="4"):
        cli.main()
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.parametrize("command", [("submit", "-p", "local"), ("run", "panx_full_s0", "--grid")])
def test_commands_that_write_say_what_is_in_their_way(tiny_root: Path, command: tuple[str, ...]) -> None:
    for name in ("grids", "runs"):
        (tiny_root / name).write_text("a file where a folder belongs")
    name = "grids" if command[0] == "submit" else "runs"
    found = xstilts(*command, grid(tiny_root, intermediate="[{task: none}]"), "--root", tiny_root)
    assert is_one_message(found, 4, f"{tiny_root / name}")


def test_a_plan_needs_no_room_to_remember_what_it_read(tiny_root: Path) -> None:
    (tiny_root / "cache").write_text("a file where a folder belongs")
    found = xstilts("plan", grid(tiny_root), "--root", tiny_root)
    assert (found.returncode, found.stderr) == (0, "")


def test_a_file_that_found_no_room_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> None:
        raise OSError(*FULL.args)

    monkeypatch.setattr("xstilts_hpc.files.fsync", refuse)
    with pytest.raises(OSError, match=r"No space left on device: '.*scores.csv'"):
        write_text(tmp_path / "scores.csv", "x")


@pytest.fixture
def done(tmp_path: Path) -> Plan:
    """Give the plan of a root with a done family, which left encoder, checkpoints and files for TensorBoard."""
    return filled(tmp_path)


def filled(root: Path) -> Plan:
    plan = planned(root, make_plan({"mnli": ["xnli"]}))
    finish(root, plan, "mnli", "xnli")
    write(run_folder(root, run_of(plan, "xnli")).tensorboard / "events", "x" * 9000)
    return plan


def test_cleaning_needs_room_for_no_lock_where_something_goes_without(
    tmp_path: Path, done: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    board, lock = run_folder(tmp_path, run_of(done, "xnli")).tensorboard, cleaning.lock

    def lock_with_room(root: Path, name: str) -> object:
        if board.exists():
            raise FULL
        return lock(root, name)

    monkeypatch.setattr(cleaning, "lock", lock_with_room)
    kinds = [item.what for item in clean(done, tmp_path) if not item.stays]
    assert (kinds[0], kinds.count(What.BOARD), kinds.count(What.ENCODER)) == (What.BOARD, 1, 1)
    assert not run_folder(tmp_path, run_of(done, "mnli")).encoder.exists()
    monkeypatch.setattr(cleaning, "lock", lambda _root, _name: (_ for _ in ()).throw(FULL))
    with pytest.raises(FullDiskError, match=r"too full for the lock that deleting needs; remove some files of .*cache"):
        clean(done, tmp_path)


@pytest.mark.skipif(not may_mount(), reason="needs root, to mount a small file system")
def test_a_disk_that_is_full_to_the_last_byte_is_cleaned(tmp_path: Path) -> None:
    root = tmp_path / "root"
    with small_disk(root, "400k"):
        plan = filled(root)
        with suppress(OSError), (root / "filler").open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        with pytest.raises(OSError, match="No space left"):
            (root / "more").write_text("x")
        found = xstilts("clean", plan.name, "--apply", "--root", root)
        assert (found.returncode, found.stderr) == (0, "")
        assert not run_folder(root, run_of(plan, "mnli")).encoder.exists()
        assert plan.done(root) == set(plan.runs)
