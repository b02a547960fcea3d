"""A model of the hub must be in the local cache before anything is handed over."""

from pathlib import Path

import pytest

from tests.tiny import grid_text
from xstilts_hpc.errors import ModelError
from xstilts_hpc.expand import expand
from xstilts_hpc.grid import load_grid
from xstilts_hpc.model_files import require_model
from xstilts_hpc.run import ModelSource

COMMIT = "0123456789abcdef0123456789abcdef01234567"


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
