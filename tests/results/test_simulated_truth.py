"""Studies with known gains and curves, from logits files to tables: how often the tables hold the truth.

Seeds are fixed, so each rate is the same at every run; docs/statistics.md has them. The options -rP --log-level=INFO
show them.
"""

import logging
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.results.simulated import PANX, XNLI, XQUAD, Seeds, Target, World, crossed, paired, simulate, with_items
from xstilts_hpc.results.means import Means
from xstilts_hpc.results.tables.inference import gain_intervals, size_curves
from xstilts_hpc.results.tables.language_gains import gains_by_language
from xstilts_hpc.results.tables.table import Number, Table, text
from xstilts_hpc.statistics.forms import Form

logger = logging.getLogger(__name__)
# hundreds of studies a test
pytestmark = pytest.mark.timeout(1800)

TARGETS = (XNLI, PANX, XQUAD)
NAMES = ("mean of the targets", *(target.name for target in TARGETS))
GAIN = World({0: 0.60, 100: 0.64})
NO_GAIN = World({0: 0.60, 100: 0.60, 316: 0.60, 1_000: 0.60})
LEVEL = 0.05
STUDIES = 20  # of each curve

SIZES = (0, 100, 316, 1_000, 3_162, 10_000, 31_623, 100_000)
X = np.log10(np.array(SIZES) + 100.0) - 2
# n90 of the power law, in which 300 is the shift and 0.45 the rate
N90 = 300 * (0.1 ** (-1 / 0.45) - 1)
CURVES = {
    Form.CONSTANT: 0.60 + 0 * X,
    Form.LINE: 0.55 + 0.05 * X,
    Form.PARABOLA: 0.50 + 0.14 * X - 0.035 * X**2,
    Form.POWER: 0.75 - 2.5 * (np.array(SIZES) + 300.0) ** -0.45,
}


def studies(
    root: Path, world: World, sets: Sequence[Seeds], targets: Sequence[Target], number: int, first: int = 0
) -> Iterator[Means]:
    """Yield simulated studies one by one, and remove their files."""
    for seed in range(first, first + number):
        yield simulate(root / str(seed), world, sets, targets, seed)
        shutil.rmtree(root / str(seed))


def column(table: Table, name: str) -> list[Any]:
    """Return a column: numbers in per cent, other cells as they are shown."""
    cells = [row[table.columns.index(name)] for row in table.rows]
    return [cell.value if isinstance(cell, Number) else text(cell) for cell in cells]


def held(table: Table, truth: Sequence[float]) -> list[bool]:
    """Return whether the interval of each row holds the truth, a fraction."""
    ends = zip(column(table, "low"), column(table, "high"), truth, strict=True)
    return [bool(low <= 100 * value <= high) for low, high, value in ends]


def rejected(table: Table, name: str = "p (Holm)") -> list[bool]:
    """Return whether the p-value of each row, as it is shown, is at most 0.05."""
    return [float(str(cell).removeprefix("<")) <= LEVEL for cell in column(table, name)]


def of_means(rows: Sequence[bool]) -> list[bool]:
    """Return those of the means of the targets, of rows by entry: the mean first, then each of three targets."""
    return list(rows[:: 1 + len(TARGETS)])


def of_targets(rows: Sequence[bool]) -> list[bool]:
    """Return those of single targets, of the same rows."""
    return [row for i, row in enumerate(rows) if i % (1 + len(TARGETS))]


def with_mean(truth: Sequence[float]) -> list[float]:
    """Return the mean of the targets before the targets, as tables have them."""
    return [float(np.mean(truth)), *truth]


def say(what: str, rate: float) -> float:
    """Log a rate for docs/statistics.md and return it."""
    logger.info("%s: %.3f", what, rate)
    return rate


@pytest.mark.slow
@pytest.mark.parametrize(("sets", "number"), [(paired(3), 500), (crossed(3, 3), 100)], ids=["3 sets", "3 x 3"])
def test_intervals_of_gains_hold_the_truth(tmp_path: Path, sets: Sequence[Seeds], number: int) -> None:
    truth = with_mean([GAIN.gain(target, 100) for target in TARGETS])
    alone = [target.only(code) for target in TARGETS for code in target.languages]
    by_language = [GAIN.gain(target, 100) for target in alone]
    found, in_languages = [], []
    for means in studies(tmp_path, GAIN, sets, TARGETS, number):
        found.append(held(gain_intervals(means), truth))
        in_languages.append(held(gains_by_language(means), by_language))
    for name, rate in zip(NAMES, np.mean(found, axis=0), strict=True):
        assert 0.92 <= say(f"coverage, {name}", rate) <= 0.98
    assert 0.92 <= say("coverage, by language", float(np.mean(in_languages))) <= 0.98


@pytest.mark.slow
def test_intervals_hold_where_trainings_share_their_examples(tmp_path: Path) -> None:
    """Three subsets with three training seeds each: what a subset does is shared by its three runs."""
    sets = [(data, train, (data + train) % 3) for data in range(3) for train in range(3)]
    world = World({0: 0.60, 100: 0.64}, data=0.02, intermediate=0.005)
    truth = with_mean([world.gain(target, 100) for target in TARGETS])
    found = [held(gain_intervals(means), truth) for means in studies(tmp_path, world, sets, TARGETS, 100)]
    for name, rate in zip(NAMES, np.mean(found, axis=0), strict=True):
        assert 0.92 <= say(f"coverage, 3 x 3 with shared examples, {name}", rate) <= 1


@pytest.mark.slow
def test_one_full_run_for_all_subsets_makes_no_trend(tmp_path: Path) -> None:
    world = World({0: 0.60, 100: 0.60, 316: 0.60, 1_000: 0.60, 100_000: 0.60}, run=0.02, full=100_000)
    sets = [(data, 0, 0) for data in range(5)]
    tables = [size_curves(means) for means in studies(tmp_path, world, sets, (XNLI,), 100)]
    rate = float(np.mean([rejected(table) for table in tables]))
    assert say("a trend found where there is none, one full run for five subsets", rate) <= 0.08


@pytest.mark.slow
def test_corrected_tests_hold_their_level_where_there_is_no_gain(tmp_path: Path) -> None:
    gains, trends, maps = [], [], []
    for means in studies(tmp_path, NO_GAIN, paired(3), TARGETS, 200):
        gains.append(rejected(gain_intervals(means)))
        trends.append(rejected(size_curves(means)))
        maps.append(rejected(gains_by_language(means), "p (FDR)"))
    rates = {
        "a gain of the mean of the targets found where there is none, of three": [any(of_means(one)) for one in gains],
        "a gain found where there is none, of nine": [any(of_targets(one)) for one in gains],
        "a trend of the mean of the targets found where there is none": [any(of_means(one)) for one in trends],
        "a trend found where there is none, of three": [any(of_targets(one)) for one in trends],
        "a gain found in a language, of 15": [any(one) for one in maps],
    }
    # twice the standard error of a rate of 5 % in 200 studies is 3.1 %
    assert all(say(what, float(np.mean(found))) <= 0.08 for what, found in rates.items())


@pytest.mark.slow
def test_the_permutation_test_holds_its_level_and_finds_a_gain(tmp_path: Path) -> None:
    world = World({0: 0.60, 100: 0.60})
    tables = [gain_intervals(means) for means in studies(tmp_path, world, paired(6), (XNLI,), 200)]
    for name in ("p", "p (permutation)"):
        rate = float(np.mean([rejected(table, name) for table in tables]))
        assert say(f"{name} <= 0.05, no gain, six sets", rate) <= 0.08
    clear = World({0: 0.60, 100: 0.68})
    tables = [gain_intervals(means) for means in studies(tmp_path, clear, paired(6), (XNLI,), 40)]
    for name in ("p", "p (permutation)"):
        rate = float(np.mean([rejected(table, name) for table in tables]))
        assert say(f"{name} <= 0.05, gain of 8 points, six sets", rate) >= 0.9


@pytest.mark.slow
def test_a_clear_gain_and_trend_are_found(tmp_path: Path) -> None:
    world = World({0: 0.55, 100: 0.57, 1_000: 0.62, 10_000: 0.67})
    gains, trends = [], []
    for means in studies(tmp_path, world, paired(5), TARGETS, 30):
        gains.append(rejected(gain_intervals(means)))
        trends.append(rejected(size_curves(means)))
    # rows by size, then the mean of the targets and each
    largest = np.reshape(gains, (-1, 3, 4))[:, -1]
    assert say("gain of 12 points found after Holm", float(np.mean(largest))) >= 0.9
    assert say("trend of 5 points per decade found after Holm", float(np.mean(trends))) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("form", list(Form))
def test_the_generating_curve_is_named(tmp_path: Path, form: Form) -> None:
    """Five sets of seeds a study, each of which moves all scores by 0.5 points and every single one by 0.4."""
    chances = dict(zip(SIZES, CURVES[form].tolist(), strict=True))
    world = World(chances, intermediate=0.003, target=0.005, run=0.003)
    large = with_items(XNLI, 5_000)
    cells = [_curve_cells(means) for means in studies(tmp_path, world, paired(5), (large,), STUDIES)]
    named = Counter(name for name, _ in cells)
    assert say(f"{form} named", named[form] / STUDIES) >= 0.7, named
    for name, n90 in cells:
        assert n90.startswith("not identified: ") or name == Form.POWER
    known = [n90 for _, n90 in cells if not n90.startswith("not identified")]
    if form is Form.POWER:
        inside = [low <= N90 <= high for _, low, high in map(_numbers, known)]
        assert say("n90 identified", len(known) / STUDIES) >= 0.5 and say("held by it", np.mean(inside)) >= 0.85
    assert all(value <= 10 * SIZES[-1] for value, _, _ in map(_numbers, known))


def _curve_cells(means: Means) -> tuple[str, str]:
    table = size_curves(means)
    return str(column(table, "curve")[0]), str(column(table, "n90")[0])


def _numbers(n90: str) -> list[float]:
    """Return n90 and the ends of its interval, from "1,000 [900, 1,100]" or "1,000 [900, beyond 1,000,000]"."""
    value, _, ends = re.sub("beyond .*", "inf", n90).replace("]", "").partition(" [")
    return [float(text.replace(",", "")) for text in (value, *ends.split(", "))]


def test_one_study_from_logits_to_tables(tmp_path: Path) -> None:
    (means,) = [simulate(tmp_path, GAIN, paired(3), TARGETS, 1)]
    table = gain_intervals(means)
    assert column(table, "target") == ["mean of the targets", "XNLI", "PAN-X", "XQuAD"]
    assert all(held(table, with_mean([GAIN.gain(target, 100) for target in TARGETS])))
    two = gain_intervals(simulate(tmp_path / "two", GAIN, paired(2), (XNLI,), 1))
    assert np.isnan(column(two, "low")).all() and len(column(two, "gain of each set of seeds")[0].split()) == 2
