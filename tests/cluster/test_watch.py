"""`xstilts status`: once, as JSON, and again and again, on a terminal and without one."""

import io
import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.cluster.standing_records import attempted, complete, submitted
from tests.cluster.trivial_runs import MODEL, make_plan, run_of
from xstilts_hpc.cli import app
from xstilts_hpc.cluster.watch import watch
from xstilts_hpc.plan import Plan, grid_folder


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Give a submitted plan of a family and a baseline, one of them done."""
    (tmp_path / MODEL.path).mkdir()
    shape = {"num_hidden_layers": 2, "hidden_size": 8, "intermediate_size": 32, "vocab_size": 100}
    (tmp_path / MODEL.path / "config.json").write_text(json.dumps(shape), encoding="utf-8")
    plan = make_plan({"a": ["a1"]}, ["x"])
    plan.save(grid_folder(tmp_path, plan.name).plan)
    complete(plan, tmp_path, "x")
    return plan


def status(root: Path, *options: str) -> str:
    done = CliRunner().invoke(app, ["status", "small", "--root", str(root), *options])
    assert done.exit_code == 0, done.output
    return done.output


def test_everything_is_told_as_json(plan: Plan, tmp_path: Path) -> None:
    attempted(plan, tmp_path, "a", cause="failed", error="KeyError: 'b'", decided="", node="n1")
    told = json.loads(status(tmp_path, "--json"))
    assert told["runs"][run_of(plan, "a")] == {"state": "failed", "cause": "failed"}
    assert told["runs"][run_of(plan, "a1")] == {"state": "blocked"}
    assert told["counts"][0] == {"stage": "intermediate", "intermediate": "-", "failed": 1}
    assert told["failures"][0]["runs"] == [run_of(plan, "a")]
    assert (told["outlook"]["runs"], told["outlook"]["finish"], told["bad_nodes"]) == (2, "", [])
    assert told["slurm"] == "not asked"


def test_failures_and_what_to_do_stand_below_the_table(plan: Plan, tmp_path: Path) -> None:
    for task in ("a", "a1"):
        attempted(plan, tmp_path, task, cause="node_failed", error="node went away", node="n1", again=False)
    text = status(tmp_path)
    assert "node_failed: 1 run " in text
    assert "1 runs are blocked by failed parents" in text
    assert "n1: 2 runs died there (2 node_failed)" in text
    assert "slurm: {exclude: n1}" in text


def test_a_silent_slurm_is_said_once_and_is_no_failure(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(plan, tmp_path, [["a"]])
    monkeypatch.setenv("PATH", str(tmp_path))
    text = status(tmp_path)
    assert text.count("Slurm does not answer, so files alone decide: squeue: no such command") == 1
    assert "submitted" in text


def test_without_a_terminal_each_picture_is_printed_until_all_is_done() -> None:
    screen, pictures = io.StringIO(), iter([("one", False), ("two", False), ("three", True)])
    watch(lambda: next(pictures), Console(file=screen), every_s=0.01)
    assert [line for line in screen.getvalue().splitlines() if not line.startswith("as of")] == ["one", "two", "three"]


def test_ctrl_c_ends_the_watch_cleanly() -> None:
    def interrupted() -> tuple[str, bool]:
        raise KeyboardInterrupt

    watch(interrupted, Console(file=io.StringIO()), every_s=0.01)


def test_on_a_terminal_q_ends_it(plan: Plan, tmp_path: Path) -> None:
    own, theirs = pty.openpty()
    command = [sys.executable, "-m", "xstilts_hpc", "status", "small", "--root", str(tmp_path), "--watch"]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"}
    ) as it:
        seen, deadline = b"", time.monotonic() + 100
        while b"q ends" not in seen and time.monotonic() < deadline:
            seen += os.read(own, 4096)
        os.write(own, b"q")
        assert it.wait(timeout=100) == 0
    os.close(own)
    os.close(theirs)
    assert b"Traceback" not in seen
