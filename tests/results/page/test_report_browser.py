"""The report in headless Chromium: it sorts, filters and tells values, needs no network, can be read by all."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.results.conftest import GridBuilder, sequence_logits
from xstilts_hpc.files import append_json_line, write_text
from xstilts_hpc.results.collect import gather
from xstilts_hpc.results.figures.all_figures import figures
from xstilts_hpc.results.means import Means
from xstilts_hpc.results.report import render
from xstilts_hpc.results.tables.table import Number, Table

pytestmark = pytest.mark.browser

# As they stand in the table; NaN is shown as --.
GAINS = (
    Number(9.5, 1.0, 3, 3, signed=True),
    Number(float("nan")),
    Number(-10.25, signed=True),
    Number(12.0, 0.5, 2, 3, signed=True),
    "",
)
SIZES = ("300", "1,000", "95", "10,000 (full)", "")
HOSTILE = "</script><script>document.title = 'pwned'</script><img src=x onerror=alert(1)>"
NUM_PLANNED, LONG = 120, 400
# Return the worst contrast of a text with what is behind it, and that text.
CONTRAST = """() => {
  const light = (colour) => {
    const parts = colour.match(/[\\d.]+/g).map(Number).slice(0, 3).map((part) => part / 255);
    const [r, g, b] = parts.map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return colour.endsWith(", 0)") ? behind(element.parentElement) : colour;
  };
  const own = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const found = [...document.querySelectorAll("body *")].filter((element) => {
    return own(element) && element.checkVisibility() && !element.matches(":disabled, option, script, svg *");
  }).map((element) => {
    const pair = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => b - a);
    return [(pair[0] + 0.05) / (pair[1] + 0.05), element.textContent.trim().slice(0, 40)];
  });
  return found.sort((a, b) => a[0] - b[0])[0];
}"""


def chromium_path() -> str:
    """Return the path of Chromium, or skip; where XSTILTS_REQUIRE_BROWSER is set its absence is a failure."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found:
        return found
    reason = "needs Chromium; this machine has none (tools/setup browser installs it)"
    if os.environ.get("XSTILTS_REQUIRE_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give a headless Chromium."""
    path = chromium_path()
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=sandbox)
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the report of a grid of two finished runs with learning curves and many planned ones."""
    builder = GridBuilder(tmp_path_factory.mktemp("report"), question=HOSTILE)
    for seed, right in ((0, 5), (1, 6)):
        logits = {"en": sequence_logits(right), "sw": sequence_logits(right - 2)}
        run = builder.run("mnli", seed, {"xnli": logits})
        builder.cell(run, "xnli", seeds=(-1, -1, seed))
        builder.cell(builder.run("mnli", seed + 10, {"xnli": logits}), "xnli", size=100, seeds=(0, 0, seed))
        for step in range(1, 31):
            append_json_line(builder.folder(2 * seed).history, {"step": step, "loss": (1 + seed) / step})
    for seed in range(NUM_PLANNED):
        builder.cell(builder.planned("mnli", 100 + seed, {"xnli": ["en"]}), "xnli", size=7, seeds=(0, seed, 0))
    means = Means(gather(builder.plan(), builder.root))
    rows = tuple((f"row {i}", *cells) for i, cells in enumerate(zip(SIZES, GAINS, strict=True)))
    table = Table("Gains", ("name", "examples", "gain"), rows, ("a note",), 1, "gain")
    path = builder.root / "report.html"
    write_text(path, render(means, [table, long_table()], list(figures(means))))
    return path


def long_table() -> Table:
    """Return a table that is too long to stand in the page: scores rise to 0 and fall, one is the best, one missing."""
    values = [float(-abs(60 - i)) for i in range(LONG)]
    values[5] = float("nan")
    rows = tuple((f"long {i}", Number(value, best=value == 0)) for i, value in enumerate(values))
    return Table("Many scores", ("name", "score"), rows, (), 1, "many")


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    """Give the open report; at the end nothing was complained of and nothing but the file was asked for."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page, requests, complaints = context.new_page(), list[str](), list[str]()
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(report.as_uri())
    yield page
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [report.as_uri()]
    context.close()


def names(page: Page) -> list[str]:
    """Return the names of the rows of the first table that are shown, in their order."""
    return page.locator("table.data").first.locator("tbody tr:not([hidden]) th").all_inner_texts()


@pytest.mark.parametrize(
    ("column", "ascending", "descending"),
    [("gain", "2 0 3 1 4", "3 0 2 1 4"), ("examples", "2 0 1 3 4", "3 1 0 2 4"), ("name", "0 1 2 3 4", "4 3 2 1 0")],
)
def test_a_table_sorts_by_numbers_in_both_directions_blanks_last(
    page: Page, column: str, ascending: str, descending: str
) -> None:
    header = page.get_by_role("columnheader", name=column).first
    for direction, places in (("ascending", ascending), ("descending", descending), ("ascending", ascending)):
        header.get_by_role("button").press("Enter")
        assert header.get_attribute("aria-sort") == direction
        assert names(page) == [f"row {i}" for i in places.split()]
    assert page.locator("table.data [aria-sort]").count() == 1


def test_tables_are_filtered_and_say_how_many_rows_are_shown(page: Page) -> None:
    field = page.get_by_role("searchbox", name="in all tables")
    field.fill("ROW full")
    assert names(page) == ["row 3"]
    assert page.locator("table.data caption span").first.inner_text() == "1 of 5 rows"
    assert page.locator("#count-tables").inner_text() == "1 of 405 rows in 2 tables are shown"
    field.fill("")
    assert len(names(page)) == 5


def test_a_long_table_is_shown_in_pages_and_filtered_with_the_others(page: Page) -> None:
    part = page.get_by_role("group", name="Many scores")
    rows, header = part.locator("tbody tr"), part.get_by_role("columnheader", name="score").get_by_role("button")
    assert rows.count() == 50 and rows.nth(5).get_by_role("img", name="missing").inner_text() == "--"
    header.click()
    assert rows.first.inner_text().split("\t") == ["long 399", "-339.0"]
    header.click()
    assert rows.first.locator("strong").inner_text() == "0.0"
    page.get_by_role("searchbox", name="in all tables").fill("-69")
    assert part.locator(".shown").text_content() == "rows 1 to 1 of 1, of 400 in all"
    assert page.locator("#count-tables").inner_text() == "1 of 405 rows in 2 tables are shown"


def test_runs_are_shown_in_pages_filtered_and_sorted(page: Page) -> None:
    part = page.locator(".paged").nth(1)
    rows, shown = part.locator("tbody tr"), part.locator(".shown")
    assert rows.count() == 50 and shown.text_content() == "rows 1 to 50 of 124"
    part.get_by_role("button", name="Next rows").click()
    part.get_by_role("button", name="Next rows").click()
    assert rows.count() == 24 and part.get_by_role("button", name="Next rows").is_disabled()
    part.get_by_role("searchbox").fill("COMPLETED 0.0")
    assert shown.text_content() == "rows 1 to 2 of 2, of 124 in all"
    part.get_by_role("searchbox").fill("")
    part.get_by_role("columnheader", name="last loss").get_by_role("button").click()
    losses = [row.locator("td").last.text_content() for row in rows.all()[:3]]
    assert losses == ["0.03333", "0.06667", ""]


def test_the_values_of_learning_curves_are_told_to_pointer_and_keyboard(page: Page) -> None:
    values, slider = page.locator("#learning-values li"), page.get_by_role("slider")
    page.locator("#learning-chart").hover(position={"x": 61, "y": 100})
    assert [text.partition(": ")[2] for text in values.all_inner_texts()] == [
        "update 1, loss 1",
        "update 1, loss 2",
    ]
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert [text.partition(": ")[2] for text in values.all_inner_texts()] == [
        "update 4, loss 0.25",
        "update 4, loss 0.5",
    ]
    assert "update 4, loss 0.25; " in (slider.get_attribute("aria-valuetext") or "")
    data = json.loads(page.locator("#learning-curves").inner_text())
    assert [curve[1][3] for curve in data.values()] == [0.25, 0.5]


def test_the_name_of_a_run_opens_its_learning_curve(page: Page) -> None:
    part = page.locator(".paged").nth(1)
    part.get_by_role("searchbox").fill("COMPLETED 0.0")
    button = part.locator("tbody button").nth(1)
    name = button.text_content()
    button.press("Enter")
    assert page.locator("#learning-values li").all_inner_texts() == [f"{name}: update 30, loss 0.06667"]
    assert page.evaluate("document.activeElement.id") == "learning-at"


def test_runs_with_curves_are_found_by_name(page: Page) -> None:
    page.get_by_role("listbox").select_option([])
    assert page.locator("#learning-count").inner_text() == "0 of 2 runs with a curve are shown"
    page.get_by_label("Find runs").fill("s1-")
    options = page.get_by_role("listbox").locator("option").all_inner_texts()
    assert len(options) == 1 and options[0].startswith("mnli_full_s1-")


@pytest.mark.parametrize(
    "role", ["button", "searchbox", "slider", "listbox", "img", "table", "group", "region", "figure"]
)
def test_everything_has_a_name(page: Page, role: str) -> None:
    main = page.get_by_role("main")
    found = main.get_by_role(role)  # type: ignore[arg-type]
    assert found.count() > 0
    assert main.get_by_role(role, name=re.compile(r"\w{3}")).count() == found.count()  # type: ignore[arg-type]


def test_points_of_size_curves_tell_their_values(page: Page) -> None:
    assert page.locator("figure circle").count() == 0  # a figure of a large report is drawn when it comes near
    page.locator("figure").first.scroll_into_view_if_needed()
    point = page.locator("figure circle.value").first
    assert point.locator("title").text_content() == "MNLI, 100 examples: 35.0 %"
    point.hover()  # fails where another element lies over it
    assert page.evaluate("document.querySelector('circle.value').matches(':hover')")


def test_the_page_has_landmarks_and_a_way_past_the_first(page: Page) -> None:
    for role in ("banner", "navigation", "main", "contentinfo"):
        assert page.get_by_role(role).count() == 1  # type: ignore[arg-type]
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the results"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    contrast, text = page.evaluate(CONTRAST)
    assert contrast >= 4.5, text


def test_a_narrow_page_is_not_wider_than_the_screen(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_what_only_a_screen_needs_is_not_printed(page: Page) -> None:
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("figure .scroll svg").count() == page.locator("figure .scroll").count() > 0
    assert not page.get_by_role("searchbox").first.is_visible()
    assert page.locator("table.data").first.is_visible() and page.locator("#learning-chart").is_visible()


def test_hostile_text_stays_text(page: Page) -> None:
    assert page.title() == "small: report"
    assert page.locator("p.question").inner_text() == HOSTILE


def test_without_javascript_the_tables_stand_and_the_rest_is_named(browser: Browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator("table.data").first.is_visible() and page.get_by_role("searchbox").count() == 0
    notes = page.locator("noscript p")
    assert all(note.is_visible() for note in notes.all())
    assert "scores.csv has a row for each of their scores" in notes.last.inner_text()
    context.close()
