"""Real data, XLM-R's real tokenizer and a small random XLM-R, through both profiles, to complete tables."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.cluster.test_end_to_end import wait_for
from xstilts_hpc.cluster.devcluster import DevCluster
from xstilts_hpc.run_folder import run_folder
from xstilts_hpc.tasks import tasks_with
from xstilts_hpc.tasks.base import Role

CHECKOUT = Path(__file__).resolve().parent.parent.parent
GRID = CHECKOUT / "grids" / "real_smoke.yaml"
REAL_LANGUAGES = {
    **{"xnli": 11, "pawsx": 4, "udpos": 29, "panx": 35, "xquad": 8, "mlqa": 4, "tydiqa": 1, "bucc2018": 1},
    "tatoeba": 32,
}
LANGUAGES = {"xnli": 11, "panx": 35, "xquad": 8, "tatoeba": 32}

pytestmark = [pytest.mark.slow, pytest.mark.shared, pytest.mark.timeout(1500)]


def run(*command: str) -> None:
    answer = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        env=os.environ,
        timeout=1400,
        cwd=CHECKOUT,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout[-3000:] + answer.stderr[-3000:]


def make_root(root: Path, data: Path, *, layers: int = 4, hidden: int = 128) -> None:
    (root / "data").symlink_to(data)
    tokenizer, out = data / "tokenizer" / "xlm-roberta", root / "models" / f"xlmr-{layers}x{hidden}"
    size = ("--layers", str(layers), "--hidden", str(hidden))
    run("tools/random_model.py", "--tokenizer", str(tokenizer), "--out", str(out), *size)


def check(root: Path) -> None:
    scores = pd.read_csv(root / "grids" / "real_smoke" / "scores.csv", keep_default_na=False)
    headline = scores[scores.headline & (scores.intermediate != scores.target)]
    assert headline.groupby("target").language.nunique().to_dict() == LANGUAGES
    assert headline.groupby("target").intermediate.nunique().to_dict() == dict.fromkeys(LANGUAGES, 4)


def test_real_data_give_a_complete_table_on_this_machine(tmp_path: Path, shared_data: Path) -> None:
    make_root(tmp_path, shared_data)
    run("-m", "xstilts_hpc", "submit", str(GRID), "--profile", "local", "--root", str(tmp_path))
    run("tools/collect.py", "real_smoke", "--root", str(tmp_path))
    check(tmp_path)


def test_every_task_a_mixture_and_masked_text_give_a_complete_table(tmp_path: Path, shared_data: Path) -> None:
    make_root(tmp_path, shared_data, layers=2, hidden=64)
    grid = CHECKOUT / "grids" / "real_all.yaml"
    run("-m", "xstilts_hpc", "submit", str(grid), "--profile", "local", "--root", str(tmp_path))
    run("-m", "xstilts_hpc", "collect", "real_all", "--root", str(tmp_path))
    scores = pd.read_csv(tmp_path / "grids" / "real_all" / "scores.csv", keep_default_na=False)
    targets = [task.name for task in tasks_with(Role.TARGET)]
    starts = (
        scores[scores.target.isin(targets)]
        .groupby("target")[["intermediate", "variant"]]
        .apply(lambda rows: len(rows.drop_duplicates()))
    )
    # The baseline, nine intermediate tasks, one of them with masked text too, and the mixture of all.
    assert starts.to_dict() == dict.fromkeys(targets, 12)
    assert scores.groupby("target").language.nunique()[targets].to_dict() == REAL_LANGUAGES
    mixture = scores[(scores.intermediate == "mixture") & ~scores.target.isin(targets)]
    assert set(mixture.target) == set(scores.intermediate) - {"none", "mixture"}
    for row in scores.itertuples():
        own = run_folder(tmp_path, str(row.run)).scores()
        assert own[str(row.target)][str(row.language)][str(row.metric)] == row.value


@pytest.mark.slurm
def test_real_data_give_a_complete_table_on_slurm(tmp_path: Path, shared_data: Path, devcluster: DevCluster) -> None:
    make_root(tmp_path, shared_data)
    run("-m", "xstilts_hpc", "submit", str(GRID), "--profile", "devcluster", "--root", str(tmp_path))
    wait_for(tmp_path / "grids" / "real_smoke" / "report.html", tmp_path, 1300)
    run("tools/collect.py", "real_smoke", "--root", str(tmp_path))
    check(tmp_path)
