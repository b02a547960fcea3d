"""The tables, with expected numbers written out by hand, and their renderers."""

import csv
import io
import math
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from xstilts_hpc.results.collect import gather
from xstilts_hpc.results.means import Means
from xstilts_hpc.results.tables.all_tables import tables
from xstilts_hpc.results.tables.latex import latex
from xstilts_hpc.results.tables.mediation import intermediate
from xstilts_hpc.results.tables.render import csv_text, markdown, print_table, write_tables
from xstilts_hpc.results.tables.table import Number, Table, by_group, by_language, by_task, gains, text


def means_of(builder: Any, *, partial: bool = False) -> Means:
    return Means(gather(builder.plan(), builder.root), partial)


def shown(table: Table) -> list[list[str]]:
    return [[text(cell) for cell in row] for row in table.rows]


def three_seeds(builder: Any, xnli_run: Any) -> None:
    for seed, base, trained in ((0, 3, 5), (1, 4, 7), (2, 5, 9)):
        builder.cell(xnli_run(seed, {"sw": base}), "xnli", seeds=(-1, -1, seed))
        builder.cell(xnli_run(seed + 10, {"sw": trained}), "xnli", size=100, seeds=(0, 0, seed))


def test_by_task_averages_languages_then_seeds_baseline_first(small: Any) -> None:
    table = by_task(means_of(small))
    assert table.columns == ("intermediate", "examples", "XNLI", "mean", "gain")
    assert shown(table) == [
        ["none (baseline)", "", "42.5", "42.5", ""],
        ["MNLI", "100", "57.5", "57.5", "+15.0"],
    ]


def test_a_variant_of_many_tasks_or_languages_is_counted_and_spelt_out_below(builder: Any, sequence: Any) -> None:
    run = builder.run("mnli", 0, {"xnli": {"sw": sequence(4)}})
    many = ("a+b+c+d+e", "a+b+c+d+e, uniform", "translated ar de es fr sw", "MLM 0.5 in ar de es fr sw zh")
    # Two more would both be "6 tasks".
    variants = (*many, "a+b+c+d+e+f", "a+b+c+d+e+g", "a+b")
    for size, variant in enumerate(variants, 100):
        builder.cell(run, "xnli", size=size, seeds=(0, 0, 0))
        builder.cells[-1] = replace(builder.cells[-1], intermediate="mixture", variant=variant)
    table = by_task(means_of(builder))
    names = {row[2] for row in shown(table)}
    short = ["5 tasks", "5 tasks, uniform", "translated 5 languages", "MLM 0.5 in 6 languages"]
    assert names == {*short, "a+b+c+d+e+f", "a+b+c+d+e+g", "a+b"}
    # In the order of the rows, under the notes: mean, gain and the missing baseline.
    assert table.footer[2:6] == (
        "MLM 0.5 in 6 languages: MLM 0.5 in ar de es fr sw zh",
        "5 tasks: a+b+c+d+e",
        "5 tasks, uniform: a+b+c+d+e, uniform",
        "translated 5 languages: translated ar de es fr sw",
    )


def test_a_group_of_tasks_is_averaged_when_all_of_them_are_asked(builder: Any, sequence: Any) -> None:
    run = builder.run("mnli", 0, {"xnli": {"sw": sequence(4)}, "pawsx": {"de": sequence(9, labels=2)}})
    for target in ("xnli", "pawsx"):
        builder.cell(run, target)
    table = by_group(means_of(builder))
    assert table.columns == ("intermediate", "examples", "classification")
    assert shown(table) == [["none (baseline)", "", "65.0"]]
    assert table.footer[0] == "classification: pawsx, xnli"


def test_a_group_that_lacks_a_task_is_no_column(small: Any) -> None:
    assert by_group(means_of(small)).rows == ()


def test_the_spread_is_the_sample_deviation_and_gains_are_paired_by_target_seed(builder: Any, xnli_run: Any) -> None:
    three_seeds(builder, xnli_run)
    means = means_of(builder)
    # 30, 40, 50 and 50, 70, 90; the gains 20, 30, 40 deviate by 10, unpaired differences would by more.
    assert shown(by_task(means))[1] == ["MNLI", "100", "70.0 ± 20.0", "70.0", "+30.0"]
    assert shown(gains(means)) == [["MNLI", "100", "+30.0 ± 10.0", "+30.0"]]


def test_every_data_seed_is_paired_with_the_baseline_of_its_target_seed(builder: Any, xnli_run: Any) -> None:
    builder.cell(xnli_run(0, {"sw": 2}), "xnli", seeds=(-1, -1, 0))
    builder.cell(xnli_run(1, {"sw": 6}), "xnli", seeds=(-1, -1, 1))
    for data_seed, target_seed, right in ((0, 0, 4), (0, 1, 8), (1, 0, 5), (1, 1, 9)):
        run = xnli_run(10 + 2 * data_seed + target_seed, {"sw": right})
        builder.cell(run, "xnli", size=100, seeds=(data_seed, 0, target_seed))
    # Gains 20, 20, 30, 30.
    assert shown(gains(means_of(builder))) == [["MNLI", "100", "+25.0 ± 5.8", "+25.0"]]


def test_an_average_with_a_missing_member_is_blank_or_says_its_members(small: Any) -> None:
    small.folder(3).done_json.unlink()
    assert shown(by_task(means_of(small)))[1] == ["MNLI", "100", "--", "--", "--"]
    partial = shown(by_task(means_of(small, partial=True)))
    assert partial[0] == ["none (baseline)", "", "42.5", "42.5", ""]
    assert partial[1] == ["MNLI", "100", "60.0 (n=1/2)", "60.0 (n=1/2)", "+20.0 (n=1/2)"]
    assert "cells missing: 1/4" in by_task(means_of(small)).footer


def test_an_average_says_where_a_target_was_not_asked_for(small: Any, sequence: Any) -> None:
    run = small.run("mnli", 20, {"pawsx": {"de": sequence(5, labels=2)}})
    small.cell(run, "pawsx")
    assert shown(by_task(means_of(small, partial=True)))[1] == [
        "MNLI",
        "100",
        "57.5",
        "--",
        "57.5 (n=2/3)",
        "+15.0 (n=2/3)",
    ]


def test_a_mean_over_languages_is_never_over_some_of_them(small: Any) -> None:
    small.want_other_data(0, "sw")
    (table,) = by_language(means_of(small, partial=True))
    assert shown(table)[0] == ["none (baseline)", "", "50.0", "40.0 (n=1/2)", "45.0 (n=1/2)", "40.0 (n=1/2)"]


def test_by_language_puts_english_first_then_all_and_zero_shot(small: Any) -> None:
    (table,) = by_language(means_of(small))
    assert table.columns == ("intermediate", "examples", "en", "sw", "all", "zero-shot")
    assert shown(table)[1] == ["MNLI", "100", "65.0", "50.0", "57.5", "50.0"]
    assert table.footer[0] == "all: mean over 2 languages; zero-shot: over the 1 that are not English"


def test_the_mean_over_targets_is_plain_and_blank_where_one_is_excluded(builder: Any, sequence: Any, span: Any) -> None:
    run = builder.run("mnli", 0, {"xnli": {"en": sequence(5)}, "xquad": {"en": span}})
    builder.cell(run, "xnli")
    builder.cell(run, "xquad")
    # EM 0 and F1 2/3 make the headline 1/3.
    assert shown(by_task(means_of(builder))) == [["none (baseline)", "", "50.0", "33.3", "41.7", ""]]
    builder.cell(run, "xnli", size=100, seeds=(0, 0, 0))
    builder.exclude(builder.cell(run, "xquad", size=100, seeds=(0, 0, 0)), "too long")
    table = by_task(means_of(builder))
    assert shown(table)[1] == ["MNLI", "100", "50.0", "--", "--", "--"]
    assert "cells missing: 0/3; 1 more excluded by the grid (shown as missing)" in table.footer
    assert shown(by_task(means_of(builder, partial=True)))[1][4] == "50.0 (n=1/2)"


def test_the_best_gain_of_each_target_is_marked(builder: Any, xnli_run: Any) -> None:
    builder.cell(xnli_run(0, {"en": 5}), "xnli")
    builder.cell(xnli_run(1, {"en": 4}), "xnli", size=1000, seeds=(0, 0, 0))
    builder.cell(xnli_run(2, {"en": 8}), "xnli", size=100, seeds=(0, 0, 0))
    table = gains(means_of(builder))
    assert shown(table) == [
        ["MNLI", "100", "+30.0", "+30.0"],
        ["MNLI", "1,000 (full)", "-10.0", "-10.0"],
    ]
    assert [row[2].best for row in table.rows if isinstance(row[2], Number)] == [True, False]


def test_the_last_row_is_the_best_gain_of_each_target_and_their_mean(builder: Any, sequence: Any) -> None:
    for seed, (task, xnli, pawsx) in enumerate((("none", 5, 5), ("mnli", 8, 4), ("qqp", 4, 6))):
        run = builder.run("mnli", seed, {"xnli": {"sw": sequence(xnli)}, "pawsx": {"de": sequence(pawsx, labels=2)}})
        for target in ("xnli", "pawsx"):
            builder.cell(run, target, **({"size": 1000, "seeds": (0, 0, 0)} if seed else {}))
            builder.cells[-1] = replace(builder.cells[-1], intermediate=task)
    assert shown(gains(means_of(builder)))[-1] == ["best single task at full size", "", "+30.0", "+10.0", "+20.0"]


def test_intermediate_tasks_are_shown_on_their_own_dev_sets(builder: Any, sequence: Any) -> None:
    run = builder.run("mnli", 0, {"mnli": {"en": sequence(6)}})
    builder.cell(run, "mnli", size=100, seeds=(0, 0, -1))
    table = intermediate(means_of(builder))
    assert table.columns == ("intermediate", "examples", "dev set", "metric", "score")
    assert shown(table) == [["MNLI", "100", "MNLI", "accuracy", "60.0"]]
    assert "split: MNLI dev" in table.footer


def test_a_mixture_is_a_row_per_task_under_its_variant(builder: Any, sequence: Any) -> None:
    run = builder.run("mnli", 0, {"mnli": {"en": sequence(6)}, "xnli": {"sw": sequence(4)}})
    for target in ("mnli", "xnli"):
        plain = builder.cell(run, target, size=100, seeds=(0, 0, -1))
        builder.cells[-1] = replace(plain, intermediate="mixture", variant="mnli+snli")
    means = means_of(builder)
    assert shown(intermediate(means)) == [["mixture", "100", "mnli+snli", "MNLI", "accuracy", "60.0", "--"]]
    assert by_task(means).columns == ("intermediate", "examples", "variant", "XNLI", "mean", "gain")
    assert shown(by_task(means))[0][:4] == ["mixture", "100", "mnli+snli", "40.0"]


def test_a_grid_without_baseline_has_no_gain(builder: Any, xnli_run: Any) -> None:
    builder.cell(xnli_run(0, {"en": 5}), "xnli", size=100, seeds=(0, 0, 0))
    table = by_task(means_of(builder))
    assert shown(table) == [["MNLI", "100", "50.0", "50.0", "--"]]
    assert "no baseline in this grid, so no gain" in table.footer


def test_tables_without_rows_are_left_out(builder: Any, xnli_run: Any) -> None:
    builder.cell(xnli_run(0, {"en": 5}), "xnli")
    assert [table.name for table in tables(means_of(builder))] == ["by_task", "by_language_xnli", "published"]


HOSTILE = Table(
    "a_b & <c>",
    ("name", "score | x"),
    (("a_b & <c>", Number(-1.25, 0.5)), ("[x] 5% $y #1 {z} ~ ^ \\", Number(math.nan)), ("*", Number(2.0, best=True))),
    ("under_score & <b>",),
)


def test_latex_escapes_hostile_names() -> None:
    lines = latex(HOSTILE).splitlines()
    assert r"\caption{a\_b \& \textless{}c\textgreater{}}" in lines
    assert r"a\_b \& \textless{}c\textgreater{} & $-$1.2 $\pm$ 0.5 \\" in lines
    assert r"{[}x{]} 5\% \$y \#1 \{z\} \textasciitilde{} \textasciicircum{} \textbackslash{} & -- \\" in lines
    assert r"{*} & \textbf{2.0} \\" in lines
    assert r"\toprule" in lines and r"\bottomrule" in lines
    assert r"\par under\_score \& \textless{}b\textgreater{}" in lines


def test_markdown_escapes_and_shows_missing() -> None:
    lines = markdown(HOSTILE).splitlines()
    assert lines[:4] == [
        r"**a\_b \& \<c\>**",
        "",
        r"| name | score \| x |",
        "|---|---:|",
    ]
    assert lines[4] == r"| a\_b \& \<c\> | -1.2 ± 0.5 |"
    assert lines[5].endswith("| -- |")
    assert lines[6] == r"| \* | **2.0** |"
    assert lines[-1] == r"- under\_score \& \<b\>"


def test_csv_has_plain_numbers_blank_where_missing_and_the_spread_beside() -> None:
    rows = list(csv.reader(io.StringIO(csv_text(HOSTILE))))
    assert rows[0] == ["name", "score | x", "score | x sd"]
    assert rows[1] == ["a_b & <c>", "-1.2", "0.5"]
    assert rows[2][1:] == ["", ""]


def test_a_table_takes_plain_numbers() -> None:
    table = Table("t", ("a", "b", "c"), (("x", 1234, 1.25),))
    assert shown(table) == [["x", "1,234", "1.2"]]
    assert csv_text(table) == "a,b,c\nx,1234,1.2\n"


@pytest.mark.parametrize("width", [40, 200])
def test_a_terminal_shows_every_column_whole_without_reading_markup(width: int) -> None:
    table = Table("[red]t", ("[bold]", *(f"l{i}" for i in range(20))), (("[x]", *(float(i) for i in range(20))),))
    console = Console(file=io.StringIO(), width=width)
    print_table(table, console)
    out = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[red]t" in out and "[bold]" in out and "[x]" in out
    assert all(f"l{i}" in out and f"{i}.0" in out for i in range(20))
    assert ("(1 of" in out) == (width == 40)


def test_write_tables_writes_every_form_of_each(small: Any) -> None:
    written = write_tables(tables(means_of(small)), small.root / "tables")
    names = ("by_task", "by_language_xnli", "gain", "gain_interval", "gain_by_language", "transfer_gap", "published")
    suffixes = ("md", "csv", "csv.txt", "tex", "parquet")
    assert [path.name for path in written] == [f"{name}.{suffix}" for name in names for suffix in suffixes]
    beside = (small.root / "tables" / "by_task.csv.txt").read_text().splitlines()
    assert beside[:2] == ["Target tasks, per cent: mean over languages, then over seeds", ""]
    assert tuple(beside[2:]) == by_task(means_of(small)).footer
    assert (small.root / "tables" / "by_task.csv").read_text() == (
        "intermediate,examples,XNLI,mean,gain\nnone (baseline),,42.5,42.5,\nMNLI,100,57.5,57.5,15.0\n"
    )
