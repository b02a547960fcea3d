"""Without any network a run is computed; what would reach out is an error at once that names the call."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import grid_text
from xstilts_hpc.model.libraries import OFFLINE
from xstilts_hpc.version import package_top

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GRID = grid_text(
    model=f"{{id: org/name, revision: {COMMIT}}}",
    intermediate="[{task: none}]",
    target="{task: [xnli, tatoeba], languages: [en, de]}",
)
# A namespace of its own has no interface but a loopback, as every node has it: gloo binds to that even for one rank.
_USER = () if os.geteuid() == 0 else ("--user", "--map-root-user")
ALONE = ("unshare", *_USER, "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
LOAD = "from xstilts_hpc.model.encoder import load_pretrained, load_tokenizer\n"
# Minutes are what the hub's client takes to give up on a network that does not answer; seconds are our imports.
SOON_S = 100
A_GRID_S = 500


@pytest.fixture(scope="module", autouse=True)
def no_network() -> None:
    """Skip where no network namespace can be made (XSTILTS_REQUIRE_NAMESPACE: fail); show that one has no network."""
    tried = (
        subprocess.run([*ALONE, "true"], capture_output=True, text=True, check=False)
        if shutil.which(ALONE[0])
        else None
    )
    if tried is None or tried.returncode:
        reason = f"no network namespace can be made here: {tried.stderr if tried else 'no unshare'}"
        if os.environ.get("XSTILTS_REQUIRE_NAMESPACE"):
            pytest.fail(reason)
        pytest.skip(reason)
    reach = "import socket; socket.create_connection(('192.0.2.1', 443), timeout=5)"
    assert "Network is unreachable" in say("-c", reach, environment=dict(os.environ)).stderr


def say(*arguments: str | Path, environment: dict[str, str], limit_s: int = SOON_S) -> subprocess.CompletedProcess[str]:
    """Run Python without network, and without anything in the environment that says so."""
    kept = {name: value for name, value in environment.items() if name not in OFFLINE}
    command = [*ALONE, sys.executable, *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**kept, "PYTHONPATH": str(package_top())},
        timeout=limit_s,
        check=False,
    )


@pytest.fixture
def cached(tiny_root: Path, tiny_model: Path) -> dict[str, str]:
    """Return the environment of a root whose grid names a model of the hub, and of a cache that holds it."""
    (tiny_root / "tiny.yaml").write_text(GRID, encoding="utf-8")
    snapshot = tiny_root / "hub" / "models--org--name" / "snapshots" / COMMIT
    shutil.copytree(tiny_model, snapshot)
    return {**os.environ, "HF_HUB_CACHE": str(tiny_root / "hub")}


def xstilts(
    root: Path, environment: dict[str, str], *arguments: str | Path, limit_s: int = SOON_S
) -> subprocess.CompletedProcess[str]:
    return say("-m", "xstilts_hpc.cli", *arguments, "--root", root, environment=environment, limit_s=limit_s)


def test_a_grid_is_computed_without_network(tiny_root: Path, cached: dict[str, str]) -> None:
    submit = ("submit", tiny_root / "tiny.yaml", "--profile", "local")
    submitted = xstilts(tiny_root, cached, *submit, limit_s=A_GRID_S)
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    collected = xstilts(tiny_root, cached, "collect", "tiny")
    assert collected.returncode == 0, collected.stdout + collected.stderr
    assert len(list(tiny_root.glob("runs/*/DONE.json"))) == 2


def is_one_message(found: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert found.returncode == 3 and "Traceback" not in found.stderr, found.stdout + found.stderr
    assert [part for part in parts if part not in found.stderr] == []


def test_a_model_that_is_not_in_the_cache_is_an_error_at_once(tiny_root: Path, cached: dict[str, str]) -> None:
    shutil.rmtree(tiny_root / "hub")
    command = f"xstilts model fetch org/name --revision {COMMIT}"
    for arguments in (
        ("submit", tiny_root / "tiny.yaml", "--profile", "local"),
        ("run", "mnli", "--grid", tiny_root / "tiny.yaml"),
    ):
        found = xstilts(tiny_root, cached, *arguments)
        is_one_message(found, f"model org/name at revision {COMMIT}", str(tiny_root / "hub"), command)


def test_a_file_that_is_missing_from_the_cache_names_the_call(tiny_root: Path, cached: dict[str, str]) -> None:
    for path in (tiny_root / "hub").rglob("tokenizer*"):
        path.unlink()
    found = xstilts(tiny_root, cached, "run", "encoder", "--grid", tiny_root / "tiny.yaml")
    is_one_message(found, "AutoTokenizer.from_pretrained", f"xstilts model fetch org/name --revision {COMMIT}")


def test_a_call_of_the_hub_is_an_error_that_names_its_address(tmp_path: Path) -> None:
    program = (
        "from huggingface_hub import HfApi\n"
        "class Asking:\n"
        "    def from_pretrained(location, **options):\n"
        "        HfApi().model_info(location)\n" + LOAD + "load_pretrained(Asking, 'org/other', 'main')"
    )
    found = say("-c", program, environment={**os.environ, "HF_HUB_CACHE": str(tmp_path)})
    last = found.stderr.splitlines()[-1]
    assert last.startswith(
        f"xstilts_hpc.errors.ModelError: model org/other (revision main) cannot be loaded from {tmp_path}"
    )
    assert "Asking.from_pretrained: Cannot reach https://huggingface.co/api/models/org/other" in last
    assert "xstilts model fetch org/other --revision main" in last


def test_who_asks_for_the_network_has_it(tmp_path: Path) -> None:
    program = LOAD + (
        "import os; os.environ['HF_HUB_OFFLINE'] = '0'\n"
        "from xstilts_hpc.model.libraries import settle_libraries; settle_libraries()\n"
        "from huggingface_hub import constants; print(constants.HF_HUB_OFFLINE)"
    )
    assert say("-c", program, environment=dict(os.environ)).stdout.strip() == "False"
