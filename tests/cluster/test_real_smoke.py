"""Real data, XLM-R's real tokenizer and a small random XLM-R, through both profiles, to complete tables."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.cluster.test_end_to_end import wait_for
from xstilts_hpc.cluster.devcluster import DevCluster

CHECKOUT = Path(__file__).resolve().parent.parent.parent
GRID = CHECKOUT / "grids" / "real_smoke.yaml"
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


def make_root(root: Path, data: Path) -> None:
    (root / "data").symlink_to(data)
    tokenizer = data / "tokenizer" / "xlm-roberta"
    run("tools/random_model.py", "--tokenizer", str(tokenizer), "--out", str(root / "models" / "xlmr-4x128"))


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


@pytest.mark.slurm
def test_real_data_give_a_complete_table_on_slurm(tmp_path: Path, shared_data: Path, devcluster: DevCluster) -> None:
    make_root(tmp_path, shared_data)
    run("-m", "xstilts_hpc", "submit", str(GRID), "--profile", "devcluster", "--root", str(tmp_path))
    wait_for(tmp_path / "grids" / "real_smoke" / "report.html", tmp_path, 1300)
    run("tools/collect.py", "real_smoke", "--root", str(tmp_path))
    check(tmp_path)
