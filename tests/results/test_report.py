"""The report: what it says, that it is one safe page, and the composed step."""

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from xstilts_hpc.cli import app
from xstilts_hpc.errors import IncompleteError
from xstilts_hpc.files import append_json_line, write_json
from xstilts_hpc.results.collect import gather
from xstilts_hpc.results.figures.all_figures import figures
from xstilts_hpc.results.means import Means
from xstilts_hpc.results.named import find_grid
from xstilts_hpc.results.page.listed import embedded
from xstilts_hpc.results.report import collect_and_write, render, summary, write_report
from xstilts_hpc.results.tables.all_tables import tables

NOTICE = "These are made-up languages: the numbers mean nothing beyond the demonstration."
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Outline(HTMLParser):
    """Checks that tags nest, and gathers tags and ids."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(html: str) -> Outline:
    parser = Outline()
    parser.feed(html)
    assert parser.open == []
    return parser


def report_of(builder: Any, **states: str) -> str:
    means = Means(gather(builder.plan(), builder.root))
    return render(means, tables(means), list(figures(means)), states)


def data_of(html: str, name: str) -> Any:
    """Return the data of a list in the page."""
    (found,) = re.findall(f'<script type="application/json" id="{name}">(.*?)</script>', html)
    return json.loads(found)


def test_the_report_holds_question_summary_tables_figure_and_provenance(small: Any) -> None:
    html = report_of(small)
    assert "Does size matter?" in html
    assert "The grid is complete: all 4 cells have their scores." in html
    for caption in ("Target tasks, per cent", "XNLI by language, accuracy", "Gain over the baseline"):
        assert re.search(f"<caption><h3 [^>]*>{caption}", html)
    assert html.count("<svg ") == 3
    assert "<li>4 runs: 4 completed.</li>" in html
    assert "Greatest mean gain over the baseline: +15.0 percentage points (intermediate MNLI, examples 100)" in html
    assert small.plan().digest in html and "code 1" in html
    assert NOTICE not in html


def test_the_greatest_gain_is_that_of_a_complete_entry(small: Any, xnli_run: Any) -> None:
    for seed, right in ((0, 9), (1, 9)):
        small.cell(xnli_run(20 + seed, {"en": right, "sw": right}), "xnli", size=1000, seeds=(0, 0, seed))
    small.folder(-1).done_json.unlink()
    *_, sentence = summary(Means(gather(small.plan(), small.root), partial=True))
    assert sentence == (
        "Greatest mean gain over the baseline: +15.0 percentage points (intermediate MNLI, examples 100), "
        "1 of 2 left out, which have members missing; see the intervals below."
    )


def test_the_report_is_one_well_formed_page_without_network(small: Any) -> None:
    html = report_of(small)
    found = outline(html)
    tags = [tag for tag, _ in found.tags]
    assert {"header", "main", "nav", "footer", "caption", "figcaption"} <= set(tags)
    headings = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1 and all(below - above <= 1 for above, below in pairwise(headings))
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in found.tags if tag == "th")
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert not re.search(r'(src|href)="(?!#|data:)', re.sub(r"xmlns(:\w+)?=", "", html))


def test_only_the_script_of_the_report_may_run(small: Any) -> None:
    html = report_of(small)
    (script,) = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:" in html


def test_data_in_a_script_element_cannot_end_it() -> None:
    text = "</script><!-- & \u2028\u2029 \u00e9"
    found = embedded([text])
    assert found.isascii() and not set("<>&") & set(found)
    assert json.loads(found) == [text]


def test_hostile_text_is_escaped(small: Any) -> None:
    small.question = "</p><script>alert(1)</script> a_b & <c>"
    html = report_of(small)
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; a_b &amp; &lt;c&gt;" in html
    outline(html)


def test_missing_runs_flags_and_exclusions_are_listed(small: Any, tokens: Any) -> None:
    small.folder(3).done_json.unlink()
    small.cell(small.run("panx", 9, {"panx": {"en": tokens}}), "panx")
    small.exclude(small.cell(small.cells[0].run, "xnli", size=1000), "only 999 <rows>")
    html = report_of(small)
    assert "The grid is not complete: 1 of 5 cells are missing" in html
    assert "5 runs: 4 completed, 1 not completed." in html and "1 run has flagged scores" in html
    rows = data_of(html, "rows-list-runs")
    assert rows[0] == [small.cells[3].run, "intermediate", "not completed", 0, "run not finished"]
    assert [row[2] for row in rows[1:]] == ["completed"] * 4
    assert data_of(html, "rows-list-flagged") == [[small.cells[4].run, "panx", "collapsed", "en"]]
    assert "only 999 &lt;rows&gt;" in html
    assert '<span role="img" aria-label="missing">--</span>' in html


def test_what_the_commands_know_of_runs_is_told(small: Any) -> None:
    run, folder = small.cells[3].run, small.folder(3)
    folder.done_json.unlink()
    for number, cause in enumerate(("preempted", "preempted", "failed"), start=1):
        error = "Traceback\n</script>ValueError: <nothing>\n" if cause == "failed" else ""
        write_json(folder.provenance(number), {"cause": cause, "error": error})
    html = report_of(small, **{run: "failed"})
    assert "4 runs: 3 completed, 1 failed." in html
    why = "run not finished; </script>ValueError: <nothing>"
    expected = [run, "intermediate", "failed", 3, "preempted 2 times, failed", why]
    assert data_of(html, "rows-list-runs")[0] == expected
    outline(html)


def test_the_command_tells_where_runs_stand(small: Any) -> None:
    small.folder(3).done_json.unlink()
    printed = CliRunner().invoke(app, ["report", "small", "--root", str(small.root)])
    assert printed.exit_code == 0
    html = find_grid("small", small.root).report.read_text(encoding="utf-8")
    assert "<li>4 runs: 3 completed, 1 eligible.</li>" in html


@pytest.mark.parametrize("looks", ["before", "after"])
def test_a_run_that_ends_while_the_report_is_made_is_told_in_one_way(small: Any, looks: str) -> None:
    run, done = small.cells[3].run, small.folder(3).done_json
    record = done.read_text()
    done.unlink()

    def states(plan: Any, root: Any) -> dict[str, str]:
        if looks == "after":
            done.write_text(record)
        found = {run: "completed" if done.is_file() else "running"}
        done.write_text(record)
        return found

    console = Console(file=io.StringIO(), width=100)
    scores = collect_and_write("small", small.root, allow_partial=True, console=console, states=states)
    html = find_grid("small", small.root).report.read_text(encoding="utf-8")
    assert scores.num_missing == 0
    assert "all 4 cells have their scores" in html and "<li>4 runs: 4 completed.</li>" in html


def test_the_learning_curves_are_in_the_page(small: Any) -> None:
    for step, loss in ((1, 1.25), (2, 0.5), (3, float("nan"))):
        append_json_line(small.folder(0).history, {"step": step, "loss": loss})
    html = report_of(small)
    assert data_of(html, "learning-curves") == {small.cells[0].run: [[1, 2, 3], [1.25, 0.5, None]]}
    (row,) = (row for row in data_of(html, "rows-list-runs") if row[0] == small.cells[0].run)
    assert row == [small.cells[0].run, "intermediate", "completed", 0, 3, "not finite"]


@pytest.mark.parametrize("data", ["miniature/data", "/scratch/miniature"])
def test_the_miniature_world_is_announced(small: Any, data: str) -> None:
    small.data = data
    assert NOTICE in report_of(small)


def test_a_target_without_any_score_still_has_a_report(builder: Any) -> None:
    builder.cell(builder.planned("mnli", 0, {"xnli": ["en"]}), "xnli")
    builder.cell(builder.planned("mnli", 1, {"xnli": ["en"]}), "xnli", size=100, seeds=(0, 0, 0))
    html = report_of(builder)
    assert "2 of 2 cells are missing" in html
    assert "no logits read" in html


def test_the_report_without_scores_of_one_day_is_the_same_twice(small: Any, tmp_path: Any) -> None:
    for name in ("a.html", "b.html"):
        means = Means(gather(small.plan(), small.root))
        write_report(means, tables(means), list(figures(means)), tmp_path / name)
    texts = [re.sub(r"\d\d:\d\d UTC", "", (tmp_path / name).read_text()) for name in ("a.html", "b.html")]
    assert texts[0] == texts[1]


def test_everything_is_written_before_missing_cells_are_an_error(small: Any) -> None:
    small.folder(3).done_json.unlink()
    console = Console(file=io.StringIO(), width=100)
    with pytest.raises(IncompleteError, match="1 of 4 cells"):
        collect_and_write("small", small.root, console=console)
    folder = find_grid("small", small.root)
    assert folder.scores_csv.is_file() and folder.scores_parquet.is_file() and folder.report.is_file()
    assert (folder.tables / "by_task.tex").is_file()
    assert (folder.path / "figures" / "size_xnli.pdf").read_bytes().startswith(b"%PDF")
    out = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Target tasks, per cent" in out and "XNLI by language" in out


def test_the_composed_step_announces_made_up_languages(builder: Any, xnli_run: Any) -> None:
    builder.cell(xnli_run(0, {"qaa": 5}), "xnli")
    builder.save()
    console = Console(file=io.StringIO(), width=100)
    collect_and_write("small", builder.root, console=console)
    assert console.file.getvalue().startswith(NOTICE)  # type: ignore[attr-defined]
