"""Models of the hub: pinned to a commit, verified, never a pickle, and read offline by the hub's own client."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from tests.fetch.conftest import AT_ONCE
from tests.fetch.hub_site import COMMIT, put_repository
from tests.fetch.site import Site
from xstilts_hpc.errors import FetchError, ModelError
from xstilts_hpc.fetch.model import FetchedModel, fetch_model
from xstilts_hpc.fetch.watching import Watching
from xstilts_hpc.model_files import require_model
from xstilts_hpc.run import ModelSource

NAME = "org/name"
WEIGHTS = bytes(range(256)) * 10
FILES = {
    "config.json": b'{"a": 1}',
    "tokenizer.json": b"{}",
    "sentencepiece.bpe.model": b"pieces" * 10,
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"pickle" * 10,
    "code.py": b"evil",
    "onnx/model.onnx": b"large" * 10,
    "README.md": b"read me",
}


@pytest.fixture
def cache(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the hub's cache, with a site on this machine as the hub."""
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def fetch(revision: str = "main") -> FetchedModel:
    return fetch_model(NAME, revision, Watching(Console(file=io.StringIO())), AT_ONCE)


def test_only_what_a_run_needs_is_fetched(site: Site, cache: Path) -> None:
    put_repository(site, "models", NAME, FILES)
    found = fetch()
    assert found == FetchedModel(COMMIT, cache / "models--org--name/snapshots" / COMMIT)
    here = {path.name: path.read_bytes() for path in found.folder.iterdir()}
    names = ("config.json", "tokenizer.json", "sentencepiece.bpe.model", "model.safetensors")
    assert here == {name: FILES[name] for name in names}
    assert (cache / "models--org--name/refs/main").read_text() == COMMIT
    require_model(ModelSource(id=NAME, revision=COMMIT))


def test_what_is_in_the_cache_is_not_fetched_again(site: Site, cache: Path) -> None:
    put_repository(site, "models", NAME, FILES)
    fetch()
    site.requests.clear()
    fetch()
    assert [path.partition("?")[0] for path, _ in site.requests] == ["/api/models/org/name/revision/main"]


def test_a_commit_needs_no_branch(site: Site, cache: Path) -> None:
    put_repository(site, "models", NAME, FILES)
    assert fetch(COMMIT).commit == COMMIT
    assert not (cache / "models--org--name/refs").exists()


def test_a_model_in_parts_is_fetched_whole(site: Site, cache: Path) -> None:
    parts = {f"model-0000{i}-of-00002.safetensors": bytes([i]) * 100 for i in (1, 2)}
    put_repository(site, "models", NAME, {"config.json": b"{}", "model.safetensors.index.json": b"{ }", **parts})
    assert {path.name for path in fetch().folder.iterdir()} == {"config.json", "model.safetensors.index.json", *parts}


def test_a_model_without_safetensors_says_what_to_do(site: Site, cache: Path) -> None:
    put_repository(site, "models", NAME, {"config.json": b"{}", "pytorch_model.bin": b"pickle" * 10})
    with pytest.raises(ModelError, match=r"has no safetensors at 0123.*, only pytorch_model.bin, which may run code"):
        fetch()
    assert not cache.exists()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_changed_file_is_not_believed(site: Site, cache: Path, name: str) -> None:
    put_repository(site, "models", NAME, FILES)
    page = site.pages[f"/{NAME}/resolve/{COMMIT}/{name}"]
    page.content = page.content[::-1]
    with pytest.raises(FetchError, match=r"gave a file .* expected [0-9a-f]+"):
        fetch()
    with pytest.raises(ModelError, match="is not in"):
        require_model(ModelSource(id=NAME, revision=COMMIT))


def test_an_unknown_model_or_revision_is_an_error(site: Site, cache: Path) -> None:
    with pytest.raises(FetchError, match=r"answers 404 Not Found\nis the id right, is 'v9' a revision of it"):
        fetch("v9")


@pytest.mark.parametrize("name", ["https://huggingface.co/org/name", "org/name/main", "../../etc", ""])
def test_what_is_no_id_is_an_error(name: str) -> None:
    with pytest.raises(ModelError, match="expected an id of the hub"):
        fetch_model(name, "main", Watching(Console(file=io.StringIO())), AT_ONCE)


def test_a_hub_that_is_busy_is_asked_again(site: Site, cache: Path) -> None:
    put_repository(site, "models", NAME, FILES)
    site.pages["/api/models/org/name/revision/main"].failures = [503, "reset"]
    assert fetch().commit == COMMIT


def test_an_answer_that_is_not_the_hubs_is_an_error(site: Site, cache: Path) -> None:
    site.put("/api/models/org/name/revision/main", b"<html>hello</html>")
    with pytest.raises(FetchError, match="not an answer of the hub"):
        fetch()


@pytest.mark.parametrize(
    "sibling",
    [
        "config.json",
        {"rfilename": "config.json", "size": 2, "blobId": "../../../outside"},
        {"rfilename": "config.json", "size": 2, "blobId": 7},
        {"rfilename": "config.json", "lfs": {"sha256": "../../../outside", "size": 2}},
        {"rfilename": "config.json", "lfs": "0" * 64},
    ],
)
def test_an_answer_whose_files_have_other_names_than_digests_is_refused(
    site: Site, cache: Path, tmp_path: Path, sibling: object
) -> None:
    weights = {"rfilename": "model.safetensors", "size": 2, "blobId": "0" * 40}
    answer = {"sha": COMMIT, "siblings": [sibling, weights]}
    site.put("/api/models/org/name/revision/main", json.dumps(answer).encode())
    site.put(f"/org/name/resolve/{COMMIT}/config.json", b"{}")
    with pytest.raises(FetchError, match="not an answer of the hub"):
        fetch()
    assert list(tmp_path.iterdir()) == []


def test_a_link_that_is_right_is_left_alone_and_another_is_replaced_at_once(
    site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_repository(site, "models", NAME, FILES)
    right, wrong = (fetch().folder / name for name in ("config.json", "tokenizer.json"))
    before = right.lstat()
    wrong.unlink()
    wrong.symlink_to("elsewhere")
    monkeypatch.setattr(Path, "unlink", _must_not_go({right, wrong}, Path.unlink))
    fetch()
    assert right.lstat() == before
    assert wrong.read_bytes() == FILES["tokenizer.json"]


def _must_not_go(paths: set[Path], unlink: Callable[..., None]) -> Callable[..., None]:
    """Return Path.unlink, except that some paths must never be missing."""

    def checked(path: Path, *, missing_ok: bool = False) -> None:
        assert path not in paths
        unlink(path, missing_ok=missing_ok)

    return checked


def test_a_branch_with_a_slash_is_a_revision(site: Site, cache: Path) -> None:
    put_repository(site, "models", NAME, FILES, revision="refs/pr/7")
    fetch("refs/pr/7")
    assert (cache / "models--org--name/refs/refs/pr/7").read_text() == COMMIT


def test_the_hubs_client_reads_it_offline(site: Site, cache: Path) -> None:
    pytest.importorskip("huggingface_hub")
    put_repository(site, "models", NAME, FILES)
    folder = fetch().folder
    code = (
        "from huggingface_hub import snapshot_download, hf_hub_download\n"
        f"print(hf_hub_download({NAME!r}, 'config.json', revision={COMMIT!r}))\n"
        f"print(snapshot_download({NAME!r}))\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.splitlines() == [str(folder / "config.json"), str(folder)]


def test_the_command_prints_the_line_for_the_grid(site: Site, cache: Path) -> None:
    put_repository(site, "models", NAME, FILES)
    found = subprocess.run(
        [sys.executable, "-m", "xstilts_hpc", "model", "fetch", NAME],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert found.stdout.splitlines()[-1] == f"model: {{id: {NAME}, revision: {COMMIT}}}"
