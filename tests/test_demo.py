"""The embedded default, whole: what `make demo` runs."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

CHANCE = {"xnli": 1 / 3, "panx": 0.0, "xquad": 0.0, "tatoeba": 1 / 200}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the root and the output of the demonstration."""
    root = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "xstilts_hpc", "demo", "--root", str(root)]
    answer = subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=1200, check=False)
    assert answer.returncode == 0, answer.stdout[-3000:] + answer.stderr[-3000:]
    return root, answer.stdout


@pytest.mark.slow
@pytest.mark.timeout(1300)
def test_the_demonstration_shows_zero_shot_transfer_and_a_gain(demo: tuple[Path, str]) -> None:
    scores = pd.read_csv(demo[0] / "grids" / "demo" / "scores.csv", keep_default_na=False)
    zero_shot = scores[scores.headline & (scores.language != "en")]
    mean = zero_shot.groupby(["target", "intermediate", "size"]).value.mean()
    for target, chance in CHANCE.items():
        assert mean[target].max() > chance + 0.15, (target, mean[target])
    assert mean["xnli", "mnli", 2400] > mean["xnli", "none", 0] + 0.05


@pytest.mark.slow
@pytest.mark.timeout(1300)
def test_the_demonstration_says_what_it_is_and_where_the_report_lies(demo: tuple[Path, str]) -> None:
    root, output = demo
    assert "the numbers mean nothing beyond the demonstration" in output
    assert (root / "grids" / "demo" / "report.html").is_file()
    assert "report.html" in output
