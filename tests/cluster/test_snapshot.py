"""The copy of the code that a submission takes along."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from xstilts_hpc.cluster.snapshot import take_snapshot
from xstilts_hpc.errors import RunError
from xstilts_hpc.files import read_json
from xstilts_hpc.version import package_top

TAKE = """
import sys
from pathlib import Path
from xstilts_hpc.cluster.snapshot import take_snapshot
print(take_snapshot(Path(sys.argv[1])))
"""
SAY = "from xstilts_hpc.version import code_version; print(code_version())"


@pytest.fixture(autouse=True)
def _own_git(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"NAME": "x", "EMAIL": "x@example.org"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Give a checkout of this package with one commit, apart from the real one."""
    top = tmp_path / "checkout"
    shutil.copytree(package_top() / "xstilts_hpc", top / "xstilts_hpc", ignore=shutil.ignore_patterns("__pycache__"))
    (top / ".gitignore").write_text("__pycache__/\n")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-C", str(top), *arguments], check=True)
    return top


def start(top: Path, code: str, *arguments: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(top)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=top.parent)


def say(top: Path, code: str, *arguments: object) -> str:
    process = start(top, code, *arguments)
    output = process.communicate()[0].strip()
    assert process.returncode == 0
    return output


def head(top: Path) -> str:
    return subprocess.check_output(["git", "-C", str(top), "rev-parse", "HEAD"], text=True).strip()


def test_a_snapshot_holds_the_package_without_compiled_files(tmp_path: Path) -> None:
    folder = take_snapshot(tmp_path)
    assert folder.parent == tmp_path / "code"
    copied = (folder / "xstilts_hpc" / "cluster" / "snapshot.py").read_bytes()
    assert copied == (package_top() / "xstilts_hpc" / "cluster" / "snapshot.py").read_bytes()
    assert (folder / "xstilts_hpc" / "miniature" / "demo.yaml").is_file()
    assert not [path for path in folder.rglob("*") if path.suffix == ".pyc" or path.name == "__pycache__"]


def test_the_same_code_is_one_snapshot_and_writes_nothing_again(tmp_path: Path) -> None:
    folder = take_snapshot(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert take_snapshot(tmp_path) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert list((tmp_path / "code").iterdir()) == [folder]


def test_a_damaged_snapshot_is_mended(tmp_path: Path) -> None:
    folder = take_snapshot(tmp_path)
    damaged, lost = folder / "xstilts_hpc" / "run.py", folder / "xstilts_hpc" / "plan.py"
    whole = damaged.read_bytes()
    damaged.chmod(0o644)
    damaged.write_text("broken")
    lost.unlink()
    assert take_snapshot(tmp_path) == folder
    assert damaged.read_bytes() == whole
    assert lost.is_file()


def test_a_snapshot_that_others_could_have_written_to_is_refused(tmp_path: Path) -> None:
    folder = take_snapshot(tmp_path)
    (folder / "xstilts_hpc" / "run.py").chmod(0o646)
    with pytest.raises(RunError, match=r"run\.py may be written by everybody.*chmod o-w "):
        take_snapshot(tmp_path)


def test_code_in_a_snapshot_says_the_version_of_its_checkout(checkout: Path, tmp_path: Path) -> None:
    folder = Path(say(checkout, TAKE, tmp_path / "root"))
    assert say(checkout, SAY) == f"0.1.0 ({head(checkout)[:10]})"
    assert say(folder, SAY) == say(checkout, SAY)
    record = read_json(folder / "code.json")
    assert (record["version"], record["commit"], record["dirty"]) == ("0.1.0", head(checkout), False)
    assert not (folder / "changes.patch").exists()


def test_edits_made_later_do_not_reach_a_snapshot(checkout: Path, tmp_path: Path) -> None:
    folder = Path(say(checkout, TAKE, tmp_path))
    with (checkout / "xstilts_hpc" / "version.py").open("a") as file:
        file.write('\nVERSION = "9.9.9"\n')
    assert say(checkout, SAY).startswith("9.9.9 (")
    assert say(folder, SAY) == f"0.1.0 ({head(checkout)[:10]})"
    assert Path(say(checkout, TAKE, tmp_path)) != folder


def test_a_changed_checkout_leaves_a_patch_that_gives_its_code_again(checkout: Path, tmp_path: Path) -> None:
    changed, added = checkout / "xstilts_hpc" / "languages.py", checkout / "xstilts_hpc" / "new.py"
    changed.write_text(changed.read_text() + "# caf\u00e9\n")
    added.write_text("x = 1\n")
    folder = Path(say(checkout, TAKE, tmp_path))
    record = read_json(folder / "code.json")
    assert say(folder, SAY) == say(checkout, SAY) == f"0.1.0 ({head(checkout)[:10]}-dirty)"
    assert (record["dirty"], record["untracked"]) == (True, ["xstilts_hpc/new.py"])
    assert (folder / "xstilts_hpc" / "new.py").read_text() == "x = 1\n"
    wanted = changed.read_bytes()
    subprocess.run(["git", "-C", str(checkout), "checkout", "-q", "--", "."], check=True)
    subprocess.run(["git", "-C", str(checkout), "apply", str(folder / "changes.patch")], check=True)
    assert changed.read_bytes() == wanted


def test_a_job_that_submits_shares_the_snapshot_it_runs_from(checkout: Path, tmp_path: Path) -> None:
    (checkout / "xstilts_hpc" / "new.py").write_text("x = 1\n")
    folder = Path(say(checkout, TAKE, tmp_path / "root"))
    assert Path(say(folder, TAKE, tmp_path / "root")) == folder
    elsewhere = Path(say(folder, TAKE, tmp_path / "other"))
    assert elsewhere == tmp_path / "other" / "code" / folder.name
    assert say(elsewhere, SAY) == say(checkout, SAY)


def test_an_installed_package_is_copied_and_nothing_beside_it(tmp_path: Path) -> None:
    installed = tmp_path / "site-packages"
    shutil.copytree(
        package_top() / "xstilts_hpc", installed / "xstilts_hpc", ignore=shutil.ignore_patterns("code.json")
    )
    (installed / "other").mkdir()
    folder = Path(say(installed, TAKE, tmp_path / "root"))
    assert sorted(path.name for path in folder.iterdir()) == ["code.json", "xstilts_hpc"]
    assert say(folder, SAY) == "0.1.0"


def test_two_submitters_at_once_share_one_whole_snapshot(checkout: Path, tmp_path: Path) -> None:
    processes = [start(checkout, TAKE, tmp_path / "root") for _ in range(4)]
    folders = {process.communicate()[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    assert [str(path) for path in (tmp_path / "root" / "code").iterdir()] == list(folders)
    assert say(Path(*folders), SAY) == say(checkout, SAY)
