"""A model that was fetched is what a run loads, by its commit and without network."""

import os
import subprocess
import sys
from pathlib import Path

from tests.fetch.hub_site import COMMIT, put_repository
from tests.fetch.site import Site

LOAD = f"""
from xstilts_hpc.model.encoder import load_encoder, load_tokenizer
encoder, tokenizer = load_encoder("org/tiny", "{COMMIT}"), load_tokenizer("org/tiny", "{COMMIT}")
print(encoder.config.hidden_size, tokenizer.tokenize("ab"))
"""


def test_a_run_loads_a_fetched_model_offline(site: Site, tmp_path: Path, tiny_model: Path) -> None:
    put_repository(site, "models", "org/tiny", {path.name: path.read_bytes() for path in tiny_model.iterdir()})
    here = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_ENDPOINT": site.url}
    python(["-m", "xstilts_hpc", "model", "fetch", "org/tiny"], here)
    site.requests.clear()
    found = python(["-c", LOAD], {**here, "HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:1"})
    assert found.splitlines()[-1] == "16 ['▁', 'a', 'b']"
    assert site.requests == []


def python(arguments: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=True, timeout=120
    ).stdout
