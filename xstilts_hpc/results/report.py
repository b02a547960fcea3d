"""The report: one HTML page without network that holds tables, figures, learning curves, runs and provenance."""

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from rich.console import Console
from rich.text import Text

from xstilts_hpc.files import write_text
from xstilts_hpc.languages import LANGUAGES
from xstilts_hpc.plan import Plan
from xstilts_hpc.results.collect import Scores, gather, require_complete, write_scores
from xstilts_hpc.results.figures.all_figures import figures, write_figures
from xstilts_hpc.results.figures.figure import Drawn, telling_svg
from xstilts_hpc.results.means import Means
from xstilts_hpc.results.named import find_submitted
from xstilts_hpc.results.page.learning import LearningCurve, learning_curves, plain
from xstilts_hpc.results.page.listed import MOST_ROWS, Listed, embedded, listed, listed_table
from xstilts_hpc.results.page.run_list import FLAG_COLUMNS, RUN_COLUMNS, flag_rows, run_rows, state_of
from xstilts_hpc.results.tables.all_tables import tables
from xstilts_hpc.results.tables.footer import MADE_UP_NOTICE, flagged, is_made_up
from xstilts_hpc.results.tables.render import print_table, write_tables
from xstilts_hpc.results.tables.table import Number, Table, gains_of, key_columns, keys_of, number, text
from xstilts_hpc.version import code_version

# Rows of all tables and lists from which on figures and what else is out of sight are drawn as they come into sight.
_LARGE = 500
# The tables that are printed, by the beginnings of their names.
_PRINTED = ("by_task", "by_language_")
# The states of runs, where nobody knows them.
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Picture:
    """A figure of the report: its name, its width and height, its caption, and the SVG."""

    name: str
    size: tuple[float, float]
    caption: str
    svg: Markup


States = Callable[[Plan, Path], Mapping[str, str]]


def collect_and_write(
    grid: str | Path,
    root: str | Path,
    *,
    allow_partial: bool = False,
    console: Console,
    processes: int = 1,
    states: States = lambda plan, root: {},
) -> Scores:
    """Collect a grid, write scores, tables, figures and report, print the tables of targets and of languages.

    `processes` is as in `collect`; commands pass 0. `states` says where the runs of a plan under a root stand; without
    it the report tells only whether their scores are there.
    Raises IncompleteError at the end, with everything written, where cells are missing and `allow_partial` is not set.
    """
    folder, plan = find_submitted(grid, root)
    told = states(plan, Path(root))  # before the scores: what is completed by then has them
    scores = gather(plan, Path(root), processes=processes)
    means = Means(scores, allow_partial)
    write_scores(scores, folder)
    found = tables(means)
    write_tables(found, folder.tables)
    drawn = list(figures(means))
    write_figures(drawn, folder.figures)
    write_report(means, found, drawn, folder.report, states=told)
    if is_made_up(scores.plan):
        console.print(Text(MADE_UP_NOTICE, style="bold yellow"))
    for table in found:
        if table.name.startswith(_PRINTED):
            print_table(table, console)
    for path in (folder.scores_csv, folder.scores_parquet, folder.tables, folder.report):
        console.print(Text(f"wrote {path}"), soft_wrap=True)
    if not allow_partial:
        require_complete(scores)
    return scores


def write_report(
    means: Means, found: Sequence[Table], drawn: Sequence[Drawn], path: Path, *, states: Mapping[str, str] = _NOTHING
) -> None:
    """Write the report of a grid with its tables and figures as one self-contained HTML file.

    `states` are those of its runs.
    """
    write_text(path, render(means, found, drawn, states))


def render(means: Means, found: Sequence[Table], drawn: Sequence[Drawn], states: Mapping[str, str] = _NOTHING) -> str:
    """Return the report of a grid with its tables and figures as HTML; `states` of its runs, where they are known."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["shown"] = text
    environment.tests["number"] = lambda cell: isinstance(cell, Number)
    scores, script = means.scores, _part("report_script.js")
    curves = learning_curves(scores.root, scores.plan.runs)
    return environment.from_string(_part("report_template.html")).render(
        plan=scores.plan,
        notice=MADE_UP_NOTICE if is_made_up(scores.plan) else "",
        summary=list(summary(means, states)),
        incomplete=bool(scores.num_missing),
        tables=found,
        pictures=[_picture(one) for one in drawn],
        languages=_languages(means),
        curves=embedded({run: plain(curve) for run, curve in curves.items()}) if curves else "",
        lists=list(_lists(scores, states, curves)),
        longest=MOST_ROWS,
        large=len(scores.runs) + sum(len(table.rows) for table in found) > _LARGE,
        listed_table=listed_table,
        embedded=embedded,
        facts=list(_facts(scores)),
        missing=lambda cell: isinstance(cell, Number) and cell.missing,
        style=Markup(_part("report_style.css")),
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        now=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=code_version(),
    )


def _lists(scores: Scores, states: Mapping[str, str], curves: Mapping[str, LearningCurve]) -> Iterator[Listed]:
    """Yield the list of runs, and that of flagged scores where there are any."""
    note = (
        "Every run of the plan, those without scores first. Ended early: how attempts ended that did not complete. "
        "Last loss: the mean of about twenty updates. A name opens the learning curve."
    )
    yield listed("list-runs", "States and causes", note, RUN_COLUMNS, run_rows(scores, states, curves))
    flags = flag_rows(scores)
    if flags:
        note = "collapsed: the same label, answer or sentence for nearly everything; not_finite: NaN or infinite logits"
        yield listed("list-flagged", "Flagged scores", note, FLAG_COLUMNS, flags)


def _picture(drawn: Drawn) -> Picture:
    width, height = drawn.figure.get_size_inches()
    # The text in the SVG is escaped by matplotlib.
    return Picture(drawn.name, (width, height), drawn.caption, Markup(telling_svg(drawn)))


def _part(name: str) -> str:
    return resources.files("xstilts_hpc.results.page").joinpath(name).read_text("utf-8")


def summary(means: Means, states: Mapping[str, str] = _NOTHING) -> Iterator[str]:
    """Yield in plain sentences whether the grid is complete, where its runs stand, and its greatest gain."""
    scores = means.scores
    total, missing = scores.num_cells, scores.num_missing
    if missing:
        yield (
            f"The grid is not complete: {missing} of {total} cells are missing; "
            "nothing was filled in, and averages with a missing member are blank unless marked n=."
        )
    else:
        yield f"The grid is complete: all {total} cells have their scores."
    counted = Counter(state_of(run, states) for run in scores.runs).most_common()
    yield (
        f"{len(scores.runs):,} run{'s' * (len(scores.runs) != 1)}: "
        + ", ".join(f"{number:,} {state}" for state, number in counted)
        + "."
    )
    num_flagged = len({run for run, _, _, _ in flagged(scores)})
    if num_flagged:
        have = "run has" if num_flagged == 1 else "runs have"
        yield f"{num_flagged:,} {have} flagged scores, such as the same label for everything."
    else:
        yield "No run is flagged: none predicts the same for nearly everything, none has logits that are not finite."
    yield from _greatest_gain(means)


def _greatest_gain(means: Means) -> Iterator[str]:
    """Yield which entry has the greatest mean gain over the targets, among those of which no member is missing."""
    entries = [entry for entry in means.entries if not entry.baseline]
    gains = [means.over(gains_of(means, entry)) for entry in entries]
    complete = [(gain.value, i) for i, gain in enumerate(gains) if gain.complete]
    if complete:
        _, best = max(complete)
        keys = ", ".join(
            f"{name} {key}" for name, key in zip(key_columns(means), keys_of(means, entries[best]), strict=True)
        )
        gain, rest = number(gains[best], signed=True).text, len(gains) - len(complete)
        left_out = f", {rest:,} of {len(gains):,} left out, which have members missing" if rest else ""
        found = f"{gain} percentage points ({keys}){left_out}"
        yield f"Greatest mean gain over the baseline: {found}; see the intervals below."


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
    yield "recipes and updates", "of every training, by size: the last of the tables"
    yield "collected by", f"xstilts_hpc {code_version()}"
    yield "logits written by", ", ".join(scores.codes) or "no logits read"
