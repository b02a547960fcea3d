"""`xstilts data fetch` as a user calls it, with a site of this machine as the mirror of all publishers."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fetch.site import Site
from xstilts_hpc.lease import hold
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.tasks.download import Download
from xstilts_hpc.tasks.fetched import fetch_lease, read_fetched, scratch_folder

TRAIN, DEV = TASKS["commonsenseqa"].downloads


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "xstilts_hpc", "data", "fetch", *map(str, arguments)]


def xstilts(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "300", "NO_COLOR": "1"}
    return subprocess.run(command(*arguments), env=environment, capture_output=True, text=True, timeout=60, check=False)


def put(site: Site, download: Download, content: bytes, **how: object) -> None:
    site.put("/" + download.url.partition("://")[2], content, **how)


def test_a_dry_run_lists_url_bytes_and_licence(tmp_path: Path) -> None:
    found = xstilts("xquad", "--dry-run", "--root", tmp_path / "root")
    assert found.returncode == 0
    assert "/xquad.ar.json (1.58 MB); licence: CC BY-SA 4.0" in found.stdout
    assert (
        "to fetch squad_v1: https://rajpurkar.github.io/SQuAD-explorer/dataset/dev-v1.1.json (4.85 MB)" in found.stdout
    )
    assert found.stdout.splitlines()[-1] == "48.4 MB to fetch, where the size is known"
    assert not (tmp_path / "root").exists()


def test_a_dry_run_is_json_on_request(tmp_path: Path) -> None:
    (train, dev) = json.loads(xstilts("commonsenseqa", "--dry-run", "--json", "--root", tmp_path).stdout)
    assert (train["url"], train["num_bytes"], train["state"]) == (TRAIN.url, TRAIN.num_bytes, "to fetch")
    assert (dev["tasks"], dev["licence"]) == (["commonsenseqa"], "MIT")


def test_a_wrong_file_is_missing_and_the_exit_code_says_so(site: Site, tmp_path: Path) -> None:
    put(site, TRAIN, b"x" * TRAIN.num_bytes)
    found = xstilts("commonsenseqa", "--mirror", site.url, "--root", tmp_path)
    assert found.returncode == 4
    assert found.stdout.startswith("licence of CommonsenseQA: MIT\n")
    assert f"expected {TRAIN.sha256}" in found.stdout
    assert f"{site.url}/s3.amazonaws.com/commensenseqa/dev_rand_split.jsonl: answers 404 Not Found" in found.stdout
    assert not (tmp_path / "data/commonsenseqa").exists()


def test_a_second_fetch_is_refused_while_the_first_runs(site: Site, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with hold(fetch_lease(tmp_path / "data")):
        found = xstilts("commonsenseqa", "--mirror", site.url, "--root", tmp_path)
    assert found.returncode == 6
    assert "is held by process" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_fetch_that_was_ended_is_gone_on_with(site: Site, tmp_path: Path, end: signal.Signals) -> None:
    put(site, TRAIN, b"x" * TRAIN.num_bytes, failures=["silence", "", ""])
    heeding = ("env", "--default-signal=INT")  # what a script starts in the background ignores it, and so its children
    process = subprocess.Popen([*heeding, *command("commonsenseqa", "--mirror", site.url, "--root", tmp_path)])
    scratch = scratch_folder(tmp_path / "data")
    deadline = time.monotonic() + 30
    while not any(path.stat().st_size == TRAIN.num_bytes // 2 for path in scratch.glob("*.partial")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(end)
    assert process.wait(100) != 0
    assert fetch_lease(tmp_path / "data").exists() == (end is not signal.SIGINT)
    assert read_fetched(tmp_path / "data") == {}
    site.requests.clear()
    assert xstilts("commonsenseqa", "--mirror", site.url, "--root", tmp_path).returncode == 4
    assert site.ranges()[0] == f"bytes={TRAIN.num_bytes // 2}-"
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("command", ["data fetch", "model fetch"])
def test_the_help_has_an_example(command: str) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "xstilts_hpc", *command.split(), "--help"], capture_output=True, text=True, check=True
    )
    assert f"Example: xstilts {command}" in found.stdout


def test_an_unknown_task_names_the_nearest(tmp_path: Path) -> None:
    found = xstilts("mnly", "--root", tmp_path)
    assert found.returncode == 3
    assert "unknown task 'mnly'; did you mean 'mnli'?" in found.stderr
