"""A model of the hub must be in the local cache before anything is handed over."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import grid_text
from xstilts_hpc.errors import ModelError
from xstilts_hpc.expand import expand
from xstilts_hpc.grid import load_grid
from xstilts_hpc.model_files import require_model
from xstilts_hpc.run import ModelSource

COMMIT = "0123456789abcdef0123456789abcdef01234567"
# What sites set of the variables that the hub's client reads.
_SETTINGS: list[dict[str, str]] = [
    {},
    {"XDG_CACHE_HOME": "/scratch/$USER_OF_TEST/cache"},
    {"HF_HOME": "~/hf", "XDG_CACHE_HOME": "/scratch/cache"},
    {"HF_HOME": "$SCRATCH_OF_TEST/hf"},
    {"HF_HOME": "/hf", "HUGGINGFACE_HUB_CACHE": "${SCRATCH_OF_TEST}/older"},
    {"HUGGINGFACE_HUB_CACHE": "~/older", "HF_HUB_CACHE": "~/$USER_OF_TEST/newer"},
    {"HF_HOME": "$UNKNOWN_OF_TEST/hf"},
]
_BOTH = """
import importlib, json, os, sys
from pathlib import Path
from huggingface_hub import constants
from xstilts_hpc.model_files import hub_cache
for setting in json.loads(sys.argv[1]):
    os.environ.update(setting)
    print(Path(importlib.reload(constants).HF_HUB_CACHE), hub_cache())
    for name in setting:
        del os.environ[name]
"""


def hub_model(root: Path, revision: str) -> ModelSource:
    (root / "grid.yaml").write_text(grid_text(model=f"{{id: org/name, revision: {revision}}}"), encoding="utf-8")
    return next(iter(expand(load_grid(root / "grid.yaml"), root=root).runs.values())).run.model


def test_a_model_that_was_not_fetched_is_refused_with_the_command(
    tiny_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tiny_root / "hub"))
    with pytest.raises(ModelError, match=rf"xstilts model fetch org/name --revision {COMMIT}"):
        require_model(hub_model(tiny_root, COMMIT))


def test_a_fetched_model_is_found_and_one_without_weights_is_not(
    tiny_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tiny_root / "hub"))
    folder = tiny_root / "hub" / "models--org--name" / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match="xstilts model fetch"):
        require_model(hub_model(tiny_root, COMMIT))
    (folder / "model.safetensors").write_bytes(b"x")
    require_model(hub_model(tiny_root, COMMIT))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("[]", "expected a JSON object, found list"),
        ('{"type_vocab_size": "x"}', "type_vocab_size is 'x', expected a whole number"),
        ('{"max_position_embeddings": "long"}', "max_position_embeddings is 'long', expected a whole number"),
    ],
)
def test_a_damaged_configuration_is_one_message(tiny_root: Path, config: str, message: str) -> None:
    (tiny_root / "models" / "damaged").mkdir()
    (tiny_root / "models" / "damaged" / "config.json").write_text(config, encoding="utf-8")
    (tiny_root / "grid.yaml").write_text(grid_text(model="{path: models/damaged}"), encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        expand(load_grid(tiny_root / "grid.yaml"), root=tiny_root)


def test_the_cache_is_where_the_hubs_client_has_it(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    read = {name for setting in _SETTINGS for name in setting} | {"HF_HUB_CACHE"}
    environment = {name: value for name, value in os.environ.items() if name not in read}
    environment |= {"HOME": str(tmp_path), "USER_OF_TEST": "me", "SCRATCH_OF_TEST": "/scratch"}
    found = subprocess.run(
        [sys.executable, "-c", _BOTH, json.dumps(_SETTINGS)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    pairs = [line.split() for line in found.stdout.splitlines()]
    assert [ours for _, ours in pairs] == [theirs for theirs, _ in pairs]
    assert len({ours for _, ours in pairs}) == len(_SETTINGS)
