"""A grid file becomes an accuracy table on this machine, with every part in between real."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.tiny import grid_text
from xstilts_hpc.run_folder import run_folder

SMALL = {
    "intermediate": (
        "[{task: none}, {task: [mnli, hellaswag], size: 4}, {mixture: [mnli, hellaswag, squad_v1], size: 3},"
        " {task: mnli, size: 4, mlm: {weight: 0.5}}]"
    ),
    "target": "{task: [xnli, panx, xquad, tatoeba], languages: all}",
    "recipe_for": "{mnli: {epochs: 2}}",
}


def xstilts(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "xstilts_hpc.cli", *arguments, "--root", str(root)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=500, check=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """Return the root of a small grid that was submitted to the local profile and collected."""
    from tests.tiny import write_tiny_data

    root = tmp_path_factory.mktemp("root")
    (root / "models").mkdir()
    (root / "models" / "tiny").symlink_to(tiny_model)
    write_tiny_data(root / "data")
    (root / "data" / "text").mkdir(exist_ok=True)
    (root / "data" / "text" / "sw.txt").write_text("moja mbili tatu\nnne\n", encoding="utf-8")
    (root / "tiny.yaml").write_text(grid_text(**SMALL), encoding="utf-8")
    submitted = xstilts(root, "submit", str(root / "tiny.yaml"), "--profile", "local")
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    collected = xstilts(root, "collect", "tiny")
    assert collected.returncode == 0, collected.stdout + collected.stderr
    return root


def test_every_cell_has_a_score_in_every_language(finished: Path) -> None:
    scores = pd.read_csv(finished / "grids" / "tiny" / "scores.csv", keep_default_na=False)
    headline = scores[scores.headline]
    assert set(headline[headline.target == "xnli"].language) == {"de", "en", "sw"}
    assert set(headline[headline.target == "tatoeba"].language) == {"de", "sw"}
    assert set(headline.intermediate) == {"none", "mnli", "hellaswag", "mixture"}
    assert set(headline.variant) == {"", "MLM 0.5 in sw", "hellaswag+mnli+squad_v1"}
    assert set(headline[(headline.intermediate == "mixture") & (headline.target_seed == -1)].target) == {
        *("mnli", "hellaswag", "squad_v1"),
        "tatoeba",
    }
    assert headline.value.between(0, 1).all()
    assert not (headline.value == 0).all()


def test_collected_scores_equal_those_that_the_runs_computed(finished: Path) -> None:
    scores = pd.read_parquet(finished / "grids" / "tiny" / "scores.parquet")
    assert len(scores)
    for row in scores.itertuples():
        own = run_folder(finished, str(row.run)).scores()
        assert own[str(row.target)][str(row.language)][str(row.metric)] == row.value


def test_a_finished_run_keeps_its_record_and_nothing_it_no_longer_needs(finished: Path) -> None:
    for folder in (run_folder(finished, path.name) for path in (finished / "runs").iterdir()):
        assert folder.done(folder.request(), verify=True)
        assert not folder.trained.exists()
        assert folder.encoder.is_dir() == folder.request().keep_encoder
        (attempt,) = folder.attempts()
        assert attempt["cause"] == "completed"
        assert not list(folder.path.rglob("*.partial"))


def test_the_history_has_a_line_per_update(finished: Path) -> None:
    (run,) = (finished / "runs").glob("mnli_4_*")
    if "_after_" in run.name:
        pytest.fail(f"unexpected run {run.name}")
    lines = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))
    assert all(line["loss"] > 0 for line in lines)


def test_the_log_tells_the_last_update_and_what_was_predicted(finished: Path) -> None:
    (run,) = (finished / "runs").glob("panx_full_s0-*")
    updates = len((run / "history.jsonl").read_text().splitlines())
    log = xstilts(finished, "logs", run.name).stdout
    assert f"update {updates} of {updates} (panx): loss " in log
    assert "predicted panx in 3 languages" in log


def test_masked_text_is_mixed_into_the_updates_of_the_task(finished: Path) -> None:
    (run,) = (finished / "runs").glob("mnli_mlm_4_d0_s0-*")
    lines = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    # 2 epochs of 4 examples in batches of 4 are 2 updates, and as many of text.
    assert sorted(line["task"] for line in lines) == ["mlm", "mlm", "mnli", "mnli"]
    assert run_folder(finished, run.name).attempts()[0]["text_head"] == "fresh: the model has none"


def test_a_second_submit_has_nothing_to_do(finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.glob("runs/*/DONE.json")}
    again = xstilts(finished, "submit", str(finished / "tiny.yaml"), "--profile", "local")
    assert again.returncode == 0
    runs = len(list((finished / "runs").iterdir()))
    done, step = f"all {runs} runs are done\n", f"next: xstilts collect {finished / 'tiny.yaml'} --root {finished}\n"
    assert again.stdout == done + step
    plan = xstilts(finished, "plan", str(finished / "tiny.yaml")).stdout
    assert done in plan and plan.endswith(step)
    assert {path: path.stat().st_mtime_ns for path in finished.glob("runs/*/DONE.json")} == before


def test_one_run_in_this_process_repeats_to_the_same_logits(finished: Path) -> None:
    import h5py

    (path,) = (path for path in (finished / "runs").glob("panx_full_s0-*"))
    folder = run_folder(finished, path.name)
    with h5py.File(folder.logits("panx")) as file:
        before = file["sw/logits"][()]
    folder.done_json.unlink()
    answer = xstilts(finished, "run", path.name)
    assert answer.returncode == 0, answer.stderr
    assert re.search(r"^\d\d:\d\d:\d\d update 1 of \d+ \(panx\): loss [\d.]+, ", answer.stderr, re.MULTILINE)
    with h5py.File(folder.logits("panx")) as file:
        assert (file["sw/logits"][()] == before).all()


def test_a_child_without_its_parent_is_blocked_and_says_so(finished: Path) -> None:
    (child,) = (finished / "runs").glob("panx_full_s0_after_mnli_4*")
    (parent,) = (finished / "runs").glob("mnli_4_*")
    (child / "DONE.json").unlink()
    record = (parent / "DONE.json").read_bytes()
    (parent / "DONE.json").unlink()
    try:
        answer = xstilts(finished, "run", child.name)
    finally:
        (parent / "DONE.json").write_bytes(record)
    assert answer.returncode == 4
    assert f"its parent {parent.name} is not done" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert run_folder(finished, child.name).attempts()[-1]["cause"] == "blocked"


def test_a_parent_whose_encoder_was_damaged_is_set_aside_and_done_anew(finished: Path) -> None:
    (child,) = (finished / "runs").glob("mnli_full*_after_mnli_4*")
    (parent,) = (finished / "runs").glob("mnli_4_*")
    weights = parent / "encoder" / "model.safetensors"
    original = weights.read_bytes()
    weights.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    (child / "DONE.json").unlink()
    blocked = xstilts(finished, "run", child.name)
    assert (blocked.returncode, "which was set aside" in blocked.stderr) == (4, True)
    assert xstilts(finished, "submit", str(finished / "tiny.yaml"), "--profile", "local").returncode == 0
    assert weights.read_bytes() == original
    assert xstilts(finished, "collect", "tiny").returncode == 0
