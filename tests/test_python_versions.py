"""The base installation on each Python that is promised and found here: the wheel plans, collects, has no torch."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.results.conftest import GridBuilder, sequence_logits
from tests.test_packaging import CHECKOUT, run
from tests.test_packaging import built as built
from tests.test_packaging import copy as copy
from tests.tiny import grid_text, write_tiny_data

pytestmark = pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="not a git checkout")
VERSIONS = ("3.12", "3.13")


def python_of(version: str) -> str:
    """Return the interpreter of a version that is on PATH or that pyenv has; the test is skipped where none is."""
    pyenv = shutil.which("pyenv")
    listed = run(pyenv, "versions", "--bare").split() if pyenv else []
    prefixes = [run(str(pyenv), "prefix", name).strip() for name in listed if name.startswith(f"{version}.")]
    for python in (shutil.which(f"python{version}"), *(f"{prefix}/bin/python" for prefix in prefixes)):
        # What pyenv puts on PATH answers only where its version is chosen.
        if python and not subprocess.run([python, "-m", "venv", "-h"], capture_output=True, check=False).returncode:
            return python
    pytest.skip(f"no Python {version} on PATH or with pyenv")


@pytest.fixture(params=VERSIONS)
def xstilts(request: pytest.FixtureRequest, built: Path, tmp_path: Path) -> str:
    """Return the command of a fresh environment of a version, with the wheel and what it asks for."""
    run(python_of(request.param), "-m", "venv", str(tmp_path / "env"))
    (wheel,) = built.glob("*.whl")
    pip = [str(tmp_path / "env/bin/pip"), "install", "--quiet", "--constraint", str(CHECKOUT / "constraints.txt")]
    done = subprocess.run([*pip, str(wheel)], capture_output=True, text=True, timeout=900, check=False)
    if "No matching distribution" in done.stderr and "from versions: none" in done.stderr:
        pytest.skip(f"no package registry can be reached: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr[-2000:]
    return str(tmp_path / "env/bin/xstilts")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_wheel_plans_and_collects(xstilts: str, tmp_path: Path) -> None:
    write_tiny_data(tmp_path / "data")
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    sizes = {"num_hidden_layers": 2, "hidden_size": 16, "intermediate_size": 32, "vocab_size": 100}
    config = {"model_type": "xlm-roberta", "max_position_embeddings": 130, "num_attention_heads": 2, **sizes}
    (tmp_path / "models" / "tiny" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "tiny.yaml").write_text(grid_text(), encoding="utf-8")
    planned = json.loads(run(xstilts, "plan", str(tmp_path / "tiny.yaml"), "--root", str(tmp_path), "--json"))
    assert planned["grid"] == "tiny"
    builder = GridBuilder(tmp_path)
    builder.cell(builder.run("mnli", 0, {"xnli": {"en": sequence_logits(5)}}), "xnli")
    builder.save()
    run(xstilts, "collect", "small", "--root", str(tmp_path))
    assert (tmp_path / "grids" / "small" / "report.html").is_file()
    looked = "from importlib.util import find_spec; print(find_spec('torch'))"
    assert run(str(Path(xstilts).with_name("python")), "-c", looked) == "None\n"
