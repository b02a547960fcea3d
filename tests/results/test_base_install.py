"""An installation without the training packages plans, collects and reports; what needs them says how to get them."""

import os
import re
import subprocess
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parents[2]
TRAINING = ("torch", "transformers", "datasets", "deepspeed", "tokenizers", "safetensors")


def base_distributions() -> list[Distribution]:
    """Return what `pip install xstilts-hpc` brings: the base requirements, and theirs."""
    found: dict[str, Distribution] = {}
    waiting = ["xstilts-hpc"]
    while waiting:
        name = waiting.pop()
        try:
            there = distribution(name)
        except PackageNotFoundError:  # for another system
            continue
        if there.name not in found:
            found[there.name] = there
            wanted = map(Requirement, there.requires or ())
            waiting += [item.name for item in wanted if not item.marker or item.marker.evaluate({"extra": ""})]
    return [there for name, there in found.items() if re.sub("_", "-", name) != "xstilts-hpc"]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Python that has the base packages of this environment and no others."""
    folder = tmp_path_factory.mktemp("base")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for there in base_distributions():
        for top in {file.parts[0] for file in there.files or () if file.parts[0] not in ("..", "__pycache__")}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(there.locate_file(top))))
    return folder / "bin" / "python"


def xstilts(python: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "xstilts_hpc", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_a_grid_is_planned_collected_and_reported(python: Path, small: Any) -> None:
    looked = f"from importlib.util import find_spec; print([n for n in {TRAINING} if find_spec(n)])"
    assert subprocess.run([str(python), "-c", looked], capture_output=True, text=True, check=True).stdout == "[]\n"
    grid = REPOSITORY / "grids" / "xtreme_baseline.yaml"
    for arguments in [
        ("tasks",),
        ("plan", grid, "--published"),
        ("collect", "small", "--root", small.root),
        ("report", "small", "--root", small.root),
        ("status", "small", "--root", small.root),
        ("export", "small", "--root", small.root, "--xtreme", small.root / "xtreme"),
        ("clean", "small", "--root", small.root),
    ]:
        done = xstilts(python, *arguments)
        assert (done.returncode, done.stderr) == (0, ""), arguments
    assert (small.root / "grids" / "small" / "report.html").is_file()


@pytest.mark.parametrize("arguments", [("demo",), ("run", "x"), ("submit", "grids/size_sweep.yaml", "-p", "local")])
def test_what_trains_names_the_packages_it_needs(python: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = xstilts(python, *arguments, "--root", tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith("error: runs need torch, transformers, ")
    assert "pip install -e '.[train]' -c constraints.txt" in done.stderr
    assert not list(tmp_path.iterdir())
