"""Files that others could have written are refused before anything in them is believed."""

import grp
import os
import pwd
import shlex
import subprocess
from pathlib import Path

import pytest

from xstilts_hpc.errors import RunError
from xstilts_hpc.ownership import require_trusted, require_trusted_tree

OTHER_USER, OTHER_GROUP = 65534, 65533
needs_superuser = pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser gives files away")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a root with the folder of a run and a file, none of which others may write."""
    root = tmp_path / "a root"
    (root / "runs" / "r").mkdir(parents=True)
    (root / "runs" / "r" / "run.json").write_text("{}")
    for path in (root, root / "runs", root / "runs" / "r", root / "runs" / "r" / "run.json"):
        path.chmod(path.stat().st_mode & ~0o022)
    return root


def mend(message: str) -> None:
    """Run the command that a message ends with."""
    command = shlex.split(message.rsplit("then: ", 1)[1])
    subprocess.run(command, check=True)


def test_what_only_its_owner_may_write_is_trusted(root: Path) -> None:
    require_trusted(root / "runs" / "r" / "run.json", root)
    require_trusted_tree(root / "runs" / "r", root)
    (root / "runs" / "r").chmod(0o755)
    require_trusted(root / "runs" / "r", root)


def test_what_is_not_there_yet_is_passed_over(root: Path) -> None:
    require_trusted(root / "runs" / "new" / "checkpoints", root)
    (root / "runs").chmod(0o777)
    with pytest.raises(RunError, match="runs may be written by everybody"):
        require_trusted(root / "runs" / "new" / "checkpoints", root)


@pytest.mark.parametrize("name", ["", "runs", "runs/r", "runs/r/run.json"])
def test_a_path_that_everybody_may_write_is_refused_with_the_command_that_mends_it(root: Path, name: str) -> None:
    (root / name).chmod((root / name).stat().st_mode | 0o002)
    with pytest.raises(RunError, match=r"may be written by everybody.*chmod (-R )?o-w '") as refused:
        require_trusted(root / "runs" / "r" / "run.json", root)
    mend(str(refused.value))
    require_trusted(root / "runs" / "r" / "run.json", root)


def test_the_projects_group_may_write(root: Path) -> None:
    (root / "runs" / "r").chmod(0o775)
    require_trusted(root / "runs" / "r", root)


@needs_superuser
def test_another_group_may_not_write(root: Path) -> None:
    run = root / "runs" / "r"
    os.chown(run, -1, OTHER_GROUP)
    require_trusted(run, root)
    run.chmod(0o775)
    with pytest.raises(RunError, match=f"written by the group {OTHER_GROUP}, expected the project's.*chmod -R g-w '"):
        require_trusted(run, root)


@needs_superuser
def test_what_belongs_to_a_stranger_is_refused(root: Path) -> None:
    os.chown(root / "runs" / "r" / "run.json", OTHER_USER, -1)
    stranger = pwd.getpwuid(OTHER_USER).pw_name
    with pytest.raises(RunError, match=f"run.json belongs to {stranger}, so it is not trusted; .*chown root '"):
        require_trusted(root / "runs" / "r" / "run.json", root)


@needs_superuser
def test_the_owner_of_the_root_is_trusted(root: Path) -> None:
    for path in (root, root / "runs", root / "runs" / "r"):
        os.chown(path, OTHER_USER, -1)
    require_trusted(root / "runs" / "r" / "run.json", root)


@needs_superuser
def test_a_member_of_the_projects_group_is_trusted_where_the_group_may_write(root: Path) -> None:
    member = pwd.getpwuid(OTHER_USER)
    os.chown(root, -1, member.pw_gid)
    os.chown(root / "runs" / "r", member.pw_uid, member.pw_gid)
    with pytest.raises(RunError, match=f"r belongs to {member.pw_name}"):
        require_trusted(root / "runs" / "r", root)
    root.chmod(0o2775)
    require_trusted(root / "runs" / "r", root)
    os.chown(root, -1, grp.getgrnam("daemon").gr_gid)
    with pytest.raises(RunError, match=r"a member of it \(daemon\).*chown -R root '"):
        require_trusted(root / "runs" / "r", root)


def test_a_link_is_as_good_as_what_it_leads_to(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "scratch"
    elsewhere.mkdir(mode=0o755)
    (root / "runs" / "linked").symlink_to(elsewhere)
    require_trusted(root / "runs" / "linked", root)
    elsewhere.chmod(0o757)
    with pytest.raises(RunError, match=f"{elsewhere} may be written by everybody"):
        require_trusted(root / "runs" / "linked", root)


@needs_superuser
def test_a_link_that_a_stranger_made_is_refused(root: Path, tmp_path: Path) -> None:
    (root / "runs" / "linked").symlink_to(tmp_path)
    os.chown(root / "runs" / "linked", OTHER_USER, -1, follow_symlinks=False)
    with pytest.raises(RunError, match="linked belongs to"):
        require_trusted(root / "runs" / "linked", root)


def test_a_tree_holds_no_links_and_nothing_that_everybody_may_write(root: Path, tmp_path: Path) -> None:
    deep = root / "runs" / "r" / "checkpoints" / "a"
    deep.mkdir(parents=True)
    (deep / "shard.pt").write_bytes(b"x")
    require_trusted_tree(root / "runs" / "r", root)
    (deep / "shard.pt").chmod(0o666)
    with pytest.raises(RunError, match=r"shard.pt may be written by everybody.*chmod o-w '"):
        require_trusted_tree(root / "runs" / "r", root)
    (deep / "shard.pt").unlink()
    (deep / "shard.pt").symlink_to(tmp_path)
    with pytest.raises(RunError, match=r"shard.pt is a symbolic link.*rm '"):
        require_trusted_tree(root / "runs" / "r", root)


def test_a_path_outside_the_root_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not under"):
        require_trusted(root / ".." / "other", root)
