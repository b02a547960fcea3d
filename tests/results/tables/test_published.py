"""Published scores and claims beside a grid's own."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.logits_samples import RETRIEVAL
from tests.results.conftest import GridBuilder
from tests.test_shipped_grids import plan_of
from xstilts_hpc.results.collect import gather
from xstilts_hpc.results.means import Means
from xstilts_hpc.results.tables.all_tables import tables
from xstilts_hpc.results.tables.claims import claims
from xstilts_hpc.results.tables.inference import gain_intervals
from xstilts_hpc.results.tables.published import Row, beside_published, beside_published_languages, published
from xstilts_hpc.results.tables.table import Number, Table, gains, text


def means_of(builder: GridBuilder) -> Means:
    return Means(gather(builder.plan(), builder.root))


def claims_of(means: Means) -> Table:
    return claims(means, gain_intervals(means))


def shown(table: Table) -> dict[str, list[str]]:
    """Return rows as text by what stands first (claims: second)."""
    first = int(table.name == "claims")
    return {str(row[first]): [text(cell) for cell in row[first + 1 :]] for row in table.rows}


def add(builder: GridBuilder, run: str, seeds: tuple[int, int, int] = (0, 0, 0), **differs: Any) -> None:
    """Add a cell of MNLI at full size on XNLI, or one that differs from it."""
    builder.cell(run, "xnli", size=1000, seeds=seeds)
    builder.cells[-1] = replace(builder.cells[-1], **differs)


def row_of(name: str) -> Row:
    (row,) = (row for row in published().rows if row.name == name)
    return row


@pytest.fixture
def full(builder: GridBuilder, xnli_run: Any) -> GridBuilder:
    """Give a baseline of 50 and 30 %, and MNLI at full size with 20 points more."""
    builder.cell(xnli_run(0, {"en": 5, "sw": 3}), "xnli", seeds=(-1, -1, 0))
    builder.cell(xnli_run(10, {"en": 7, "sw": 5}), "xnli", size=1000, seeds=(0, 0, 0))
    return builder


def test_every_published_row_names_its_source_and_what_was_not_found_is_said(full: GridBuilder) -> None:
    table = beside_published(means_of(full))
    assert all(any(row.source in line for line in table.footer) for row in published().rows)
    rows = shown(table)
    assert rows["XLM-R Large (the authors' own, retrieval)"] == ["dev", "not transcribed"]
    assert rows["XLM-R Large (XTREME's leaderboard)"] == ["test", "79.2"]


def test_the_grids_own_rows_stand_below(full: GridBuilder) -> None:
    rows = shown(beside_published(means_of(full)))
    assert rows["this grid: none (baseline)"] == ["test", "40.0"]
    assert rows["this grid: MNLI, equal_epochs"] == ["test", "60.0"]


def test_the_shipped_grid_of_baselines_stands_beside_published_scores(builder: GridBuilder, xnli_run: Any) -> None:
    for cell in plan_of("xtreme_baseline", builder.root).cells:
        right = 5 + (cell.target_seed == 0)
        builder.cells.append(replace(cell, run=xnli_run(cell.target_seed, {"en": right, "sw": right})))
    found = {table.name: table for table in tables(means_of(builder))}
    rows = shown(found["published"])
    assert rows["XLM-R Large (XTREME's leaderboard)"][:2] == ["test", "79.2"]
    assert rows["this grid: none (baseline)"][:2] == ["test", "52.0 ± 4.5"]
    assert not any("best" in name for name in rows if name.startswith("this grid")) and "claims" not in found


def test_question_answering_shows_both_parts() -> None:
    row = row_of("X-STILTs, best intermediate task per target")
    assert row.shown("xquad") == "71.0 (63.3 / 78.7)" and row.shown("bucc2018") == "not transcribed"
    assert row_of("X-STILTs (as printed beside mT5)").shown("xquad") == "F1 77.2"


def test_averages_stand_beside_the_grids_own_over_the_same_tasks(
    builder: GridBuilder, sequence: Any, span: Any, tokens: Any
) -> None:
    logits = {"xnli": sequence(5), "pawsx": sequence(7, labels=2), "xquad": span, "panx": tokens}
    for target, found in logits.items():
        builder.cell(builder.run(target, 0, {target: {"en": found}}), target)
    for target in ("udpos", "mlqa", "tydiqa"):
        builder.cell(builder.planned(target, 0, {target: ["en"]}), target)
    table = beside_published(Means(gather(builder.plan(), builder.root), partial=True))
    assert table.columns[-5:] == ("classification", "tagging", "qa", "seven tasks", "three groups")
    rows = shown(table)
    best = "X-STILTs, best intermediate task per target"
    assert rows[best][-5:] == ["83.9", "69.4", "67.2", "72.7", "73.5"]
    assert rows["XLM-R Large (XTREME's leaderboard)"][-2:] == ["70.1", "not transcribed"]
    # XNLI 50, PAWS-X 70, PAN-X 0, XQuAD 33.3
    own = ["60.0", "0.0 (n=1/2)", "33.3 (n=1/3)", "38.3 (n=4/7)", "31.1 (n=4/7)"]
    assert rows["this grid: none (baseline)"][-5:] == own


def test_scores_by_language_stand_beside_the_grids_own(builder: GridBuilder) -> None:
    half = replace(RETRIEVAL, gold=np.array([[0, 1], [1, 1]]))
    builder.cell(builder.run("mnli", 0, {"tatoeba": {"de": RETRIEVAL, "sw": half}}), "tatoeba", seeds=(-1, -1, -1))
    (table,) = (table for table in beside_published_languages(means_of(builder)) if table.rows)
    assert (table.name, table.columns) == ("published_tatoeba", ("scores", "split", "de", "sw", "all"))
    assert shown(table) == {
        "XLM-R Large (the authors' own, retrieval)": ["dev", "63.9", "7.9", "35.9"],
        "this grid: none (baseline)": ["test", "100.0", "50.0", "75.0"],
    }


def test_a_made_up_world_is_compared_with_nothing(builder: GridBuilder, xnli_run: Any) -> None:
    builder.cell(xnli_run(0, {"qaa": 5}), "xnli")
    assert not beside_published(means_of(builder)).rows and not claims_of(means_of(builder)).rows


def test_each_claim_has_the_number_that_would_confirm_it(full: GridBuilder) -> None:
    table = claims_of(means_of(full))
    rows = shown(table)
    assert [row[0] for row in table.rows] == [f"claim {number}" for number in range(1, 11)]
    assert rows["MNLI as the intermediate task"][:2] == ["+7.5", "+20.0"]
    assert rows["SQuAD as the intermediate task"][:2] == ["+8.2", "not in this grid"]
    assert rows["the best intermediate task for each target"][:2] == ["+5.4", "not in this grid"]
    assert rows["XNLI gains from none"][:2] == ["none", "1 above 0, of 1; 1 with too few seeds for a test"]
    assert rows["TyDiQA gains from many tasks"][1] == "not in this grid"


def test_a_variant_is_compared_with_plain_english(full: GridBuilder, xnli_run: Any) -> None:
    cell = full.cell(xnli_run(20, {"en": 6, "sw": 5}), "xnli", size=1000, seeds=(0, 0, 0))
    full.cells[-1] = replace(cell, variant="MLM 0.5 in sw zh")
    rows = shown(claims_of(means_of(full)))
    assert rows["plain English beats multilingual MLM mixed in"][:2] == ["English", "+5.0"]
    assert rows["plain English beats machine-translated training data"][1] == "not in this grid"


def test_the_shipped_grid_of_translated_data_answers_its_claim(builder: GridBuilder, xnli_run: Any) -> None:
    right = {("none", False): 4, ("mnli", False): 7, ("mnli", True): 5, ("squad_v1", False): 6, ("squad_v1", True): 6}
    asked = [cell for cell in plan_of("translated", builder.root).cells if cell.target == "xnli"]
    for seed, cell in enumerate(asked):
        correct = right[cell.intermediate, bool(cell.variant)]
        builder.cells.append(replace(cell, run=xnli_run(seed, {"en": correct, "sw": correct})))
    rows = shown(claims_of(means_of(builder)))
    # 20 points less with the translations of MNLI, as many with those of SQuAD
    assert rows["plain English beats machine-translated training data"][:2] == ["English", "+10.0"]
    assert rows["plain English beats multilingual MLM mixed in"][1] == "not in this grid"


def test_of_two_schedules_the_claims_are_read_from_the_studys(full: GridBuilder, xnli_run: Any) -> None:
    cell = full.cell(xnli_run(20, {"en": 5, "sw": 4}), "xnli", size=1000, seeds=(0, 0, 0))
    full.cells[-1] = replace(cell, schedule="equal_steps")
    table = claims_of(means_of(full))
    rows = shown(table)
    assert rows["MNLI as the intermediate task"][1] == "+20.0"
    assert "schedule: equal_epochs alone; the gains have every schedule" in table.footer
    full.cells.pop(1)
    table = claims_of(means_of(full))
    assert shown(table)["MNLI as the intermediate task"][1] == "+5.0"
    assert not any(line.startswith("schedule:") for line in table.footer)


BEST = "best single task at full size"


def test_the_best_of_each_target_is_the_same_wherever_it_stands(full: GridBuilder, xnli_run: Any) -> None:
    add(full, xnli_run(20, {"en": 6, "sw": 7}), intermediate="qqp")
    others: tuple[dict[str, Any], ...] = (
        {"size": 100, "full": False},
        {"variant": "MLM 0.5 in sw zh"},
        {"intermediate": "mixture", "variant": "mnli+qqp"},
        {"schedule": "equal_steps"},
    )
    for seed, differs in enumerate(others):
        add(full, xnli_run(30 + seed, {"en": 9, "sw": 9}), **differs)
    means = means_of(full)
    # the baseline has 40 %, MNLI 60, QQP 65, all else 90
    assert [text(cell) for cell in gains(means).rows[-1]] == [BEST, "", "", "", "+25.0", "+25.0"]
    assert shown(claims_of(means))["the best intermediate task for each target"][1] == "+25.0"
    assert shown(beside_published(means))[f"this grid: {BEST}, per target"] == ["test", "65.0"]
    for table in (gains(means), claims_of(means), beside_published(means)):
        (note,) = (line for line in table.footer if line.startswith(BEST))
        assert "of the 2 tasks trained on alone" in note and "schedule equal_epochs" in note and "too high" in note


def test_of_one_task_there_is_no_best(full: GridBuilder) -> None:
    means = means_of(full)
    assert len(gains(means).rows) == 1
    assert not any(BEST in line for table in (gains(means), beside_published(means)) for line in table.footer)


def test_gains_are_counted_with_those_that_are_significant(builder: GridBuilder, sequence: Any) -> None:
    gains_of_task = {"none": (0, 0, 0), "mnli": (-3, 3, 1), "qqp": (58, 60, 62), "anli": (-60, -60, -61)}
    for number, (task, added) in enumerate(gains_of_task.items()):
        for seed, right in enumerate(added):
            logits = {code: sequence(100 + right, 200) for code in ("en", "sw")}
            run = builder.run("mnli", 10 * number + seed, {"xnli": logits})
            builder.cell(run, "xnli", size=1000 * bool(number), seeds=(seed, seed, seed) if number else (-1, -1, seed))
            builder.cells[-1] = replace(builder.cells[-1], intermediate=task)
    # MNLI gains 0.2 points, far from significant, and ANLI loses significantly
    assert shown(claims_of(means_of(builder)))["XNLI gains from none"][1] == "2 above 0, 1 significant, of 3"
    builder.cells[3:6] = builder.cells[3:5]
    found = shown(claims_of(means_of(builder)))["XNLI gains from none"][1]
    assert found == "1 above 0, 1 significant, of 3; 1 with too few seeds for a test"


def test_a_missing_score_leaves_a_claim_open(full: GridBuilder) -> None:
    full.folder(1).done_json.unlink()
    rows = shown(claims_of(means_of(full)))
    assert rows["MNLI as the intermediate task"][1] == rows["XNLI gains from none"][1] == "--"


@pytest.fixture
def unfinished(full: GridBuilder, xnli_run: Any) -> GridBuilder:
    """Give a second target seed of the baseline, MNLI, MLM beside it and QQP; MNLI has not finished."""
    full.cell(xnli_run(1, {"en": 4, "sw": 4}), "xnli", seeds=(-1, -1, 1))
    full.cell(xnli_run(11, {"en": 9, "sw": 9}), "xnli", size=1000, seeds=(0, 1, 1))
    full.folder(3).done_json.unlink()
    for seed in range(2):
        run = xnli_run(20 + seed, {"en": 5, "sw": 6})
        add(full, run, (0, seed, seed), variant="MLM 0.5 in sw zh")
        add(full, run, (0, seed, seed), intermediate="qqp")
    return full


def test_partial_means_are_marked_among_the_claims_and_beside_published_scores(unfinished: GridBuilder) -> None:
    means = Means(gather(unfinished.plan(), unfinished.root), partial=True)
    rows = shown(claims_of(means))
    assert rows["MNLI as the intermediate task"][1] == "+20.0 (n=1/2)"
    assert rows["the best intermediate task for each target"][1] == "+15.0 (n=1/2)"
    assert rows["XNLI gains from none"][1] == "2 above 0, of 2 (n=3/4); 2 with too few seeds for a test"
    assert rows["plain English beats multilingual MLM mixed in"][1] == "+5.0 (n=3/4)"
    best = shown(beside_published(means))[f"this grid: {BEST}, per target"]
    assert best == ["test", "55.0 (n=1/2)"]


@pytest.mark.parametrize("partial", [False, True])
def test_the_best_is_one_of_the_complete_and_says_of_how_many(unfinished: GridBuilder, *, partial: bool) -> None:
    means = Means(gather(unfinished.plan(), unfinished.root), partial)
    assert shown(claims_of(means))["the best intermediate task for each target"][1] == "+15.0 (n=1/2)"
    best = shown(beside_published(means))[f"this grid: {BEST}, per target"]
    assert best == ["test", "55.0 (n=1/2)"]
    table = gains(means)
    assert text(table.rows[-1][-1]) == "+15.0 (n=1/2)"
    marked = {row[:3] for row in table.rows for cell in row if isinstance(cell, Number) and cell.best}
    # MNLI has 20 points more, as far as it is
    assert marked == {("MNLI", "1,000 (full)", "MLM 0.5 in sw zh"), ("QQP", "1,000 (full)", "")}
