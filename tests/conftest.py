"""What every test may use: the shared small data, a tiny model, a data folder in the publishers' formats."""

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"

os.environ.setdefault("DS_ACCELERATOR", "cpu")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of small real data, or skip; where XSTILTS_REQUIRE_SHARED is set its absence is a failure."""
    if not (SHARED / "data").is_dir():
        reason = f"no folder of small real data at {SHARED}"
        if os.environ.get("XSTILTS_REQUIRE_SHARED"):
            pytest.fail(reason)
        pytest.skip(reason)
    return SHARED


@pytest.fixture(scope="session")
def shared_data(shared: Path) -> Path:
    """Return the data folder of the small real data."""
    return shared / "data"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a random two-layer XLM-R whose pieces are single characters."""
    from tests.tiny import write_tiny_model

    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def tiny_root(tmp_path: Path, tiny_model: Path) -> Path:
    """Return a root with a data folder in the publishers' formats, and the tiny model at models/tiny."""
    from tests.tiny import write_tiny_data

    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "tiny").symlink_to(tiny_model)
    write_tiny_data(tmp_path / "data")
    return tmp_path
