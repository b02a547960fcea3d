"""The report: one HTML page without network that holds tables, figures, runs and provenance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from rich.console import Console
from rich.text import Text

from xstilts_hpc.files import write_text
from xstilts_hpc.languages import LANGUAGES
from xstilts_hpc.plan import load_plan
from xstilts_hpc.results.all_tables import tables
from xstilts_hpc.results.collect import Scores, gather, require_complete, write_scores
from xstilts_hpc.results.figure import Drawn, svg
from xstilts_hpc.results.figures import figures, write_figures
from xstilts_hpc.results.footer import MADE_UP_NOTICE, flagged, is_made_up
from xstilts_hpc.results.means import Means
from xstilts_hpc.results.named import find_grid
from xstilts_hpc.results.render import print_table, write_tables
from xstilts_hpc.results.table import Number, Table, by_language, by_task, text
from xstilts_hpc.version import code_version


@dataclass(frozen=True)
class Picture:
    """A figure of the report: its caption, and the SVG."""

    caption: str
    svg: Markup


def collect_and_write(
    grid: str | Path, root: str | Path, *, allow_partial: bool = False, console: Console, processes: int = 1
) -> Scores:
    """Collect a grid, write scores, tables, figures and report, print the tables of targets and of languages.

    `processes` is as in `collect`; commands pass 0.
    Raises IncompleteError at the end, with everything written, where cells are missing and `allow_partial` is not set.
    """
    folder = find_grid(grid, root)
    scores = gather(load_plan(folder.plan), Path(root), processes=processes)
    means = Means(scores, allow_partial)
    write_scores(scores, folder)
    found = tables(means)
    write_tables(found, folder.tables)
    drawn = list(figures(means))
    write_figures(drawn, folder.figures)
    write_report(means, found, drawn, folder.report)
    if is_made_up(scores.plan):
        console.print(Text(MADE_UP_NOTICE, style="bold yellow"))
    for table in (by_task(means), *by_language(means)):
        print_table(table, console)
    for path in (folder.scores_csv, folder.scores_parquet, folder.tables, folder.report):
        console.print(Text(f"wrote {path}"), soft_wrap=True)
    if not allow_partial:
        require_complete(scores)
    return scores


def write_report(means: Means, found: Sequence[Table], drawn: Sequence[Drawn], path: Path) -> None:
    """Write the report of a grid with its tables and figures as one self-contained HTML file."""
    write_text(path, render(means, found, drawn))


def render(means: Means, found: Sequence[Table], drawn: Sequence[Drawn]) -> str:
    """Return the report of a grid with its tables and figures as HTML."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["shown"] = text
    environment.tests["number"] = lambda cell: isinstance(cell, Number)
    template = environment.from_string(
        resources.files("xstilts_hpc.results").joinpath("report_template.html").read_text("utf-8")
    )
    scores = means.scores
    return template.render(
        plan=scores.plan,
        notice=MADE_UP_NOTICE if is_made_up(scores.plan) else "",
        summary=summary(scores),
        tables=found,
        # The text in the SVG is escaped by matplotlib.
        pictures=[Picture(one.caption, Markup(svg(one.figure, one.name))) for one in drawn],
        languages=_languages(means),
        runs=[(state, scores.plan.runs[state.run].stage) for state in scores.runs],
        num_done=sum(state.state == "done" for state in scores.runs),
        flagged=flagged(scores),
        facts=list(_facts(scores)),
        missing=lambda cell: isinstance(cell, Number) and cell.missing,
        now=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def summary(scores: Scores) -> str:
    """Say in one plain sentence whether the grid is complete."""
    total, missing = scores.num_cells, scores.num_missing
    if not missing:
        return f"The grid is complete: all {total} cells have their scores."
    return (
        f"The grid is not complete: {missing} of {total} cells are missing; "
        "nothing was filled in, and averages with a missing member are blank unless marked n=."
    )


def _languages(means: Means) -> list[tuple[str, str]]:
    """Return code and name of every language of the tables."""
    codes = dict.fromkeys(code for target in means.targets for code in means.languages(target))
    return [(code, LANGUAGES[code].name) for code in sorted(codes, key=list(LANGUAGES).index)]


def _facts(scores: Scores) -> Iterator[tuple[str, str]]:
    plan = scores.plan
    yield "grid", plan.name
    yield "digest of cells and runs", plan.digest
    yield "data folder", plan.data
    for name, rows in plan.left_out.items():
        yield (
            f"rows left out of {name}",
            f"{len(rows):,} unreadable training rows: {rows[0]}" + " ..." * (len(rows) > 1),
        )
    models = dict.fromkeys(planned.run.model for planned in plan.runs.values())
    for model in models:
        named = f"{model.id} at {model.revision}" if model.id else f"{model.path} (digest {model.digest})"
        yield "model", named
    yield "collected by", f"xstilts_hpc {code_version()}"
    yield "logits written by", ", ".join(scores.codes) or "no logits read"
