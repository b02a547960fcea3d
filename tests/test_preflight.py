"""A model of the hub must be in the local cache before anything is handed over."""

from pathlib import Path

import pytest

from tests.tiny import grid_text
from xstilts_hpc.errors import ModelError
from xstilts_hpc.expand import expand
from xstilts_hpc.grid import load_grid
from xstilts_hpc.plan import Plan
from xstilts_hpc.preflight import require_model


def hub_plan(root: Path, revision: str) -> Plan:
    (root / "grid.yaml").write_text(grid_text(model=f"{{id: org/name, revision: {revision}}}"), encoding="utf-8")
    return expand(load_grid(root / "grid.yaml"), root=root)


def test_a_model_that_was_not_fetched_is_refused_with_the_command(
    tiny_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tiny_root / "hub"))
    with pytest.raises(ModelError, match=r"hf download org/name --revision abc"):
        require_model(hub_plan(tiny_root, "abc"))


@pytest.mark.parametrize("revision", ["abc", "v1"])
def test_a_fetched_model_is_found_by_commit_and_by_tag(
    tiny_root: Path, monkeypatch: pytest.MonkeyPatch, revision: str
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tiny_root / "hub"))
    folder = tiny_root / "hub" / "models--org--name"
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "snapshots" / "abc" / "config.json").write_text("{}", encoding="utf-8")
    (folder / "refs").mkdir()
    (folder / "refs" / "v1").write_text("abc\n", encoding="utf-8")
    require_model(hub_plan(tiny_root, revision))
