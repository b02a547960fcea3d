"""Published scores and claims are those of the protocol, every one of them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.results.tables.test_published import row_of
from xstilts_hpc.results.tables.published import published
from xstilts_hpc.tasks import task_of

QUESTIONS = ("xquad", "mlqa", "tydiqa")
TRAINED = ("xnli", "pawsx", "udpos", "panx", *QUESTIONS)


@pytest.fixture
def protocol(shared: Path) -> str:
    """Give the text of what is known of the study."""
    return (shared / "PROTOCOL.md").read_text(encoding="utf-8")


def cells(protocol: str, beginning: str) -> list[list[float]]:
    """Return the numbers in each cell of the one line of a table that begins so."""
    (line,) = (line for line in protocol.splitlines() if line.startswith(beginning))
    return [[float(x) for x in re.findall(r"\d+\.\d", cell)] for cell in line.strip("| ").split("|")]


def by_task(found: Mapping[str, list[float]]) -> dict[str, Any]:
    """Return scores as the file has them: a number, for question answering a list; nothing for an empty cell."""
    return {task: values if task in QUESTIONS else values[0] for task, values in found.items() if values}


def test_the_studys_scores_and_averages_are_those_of_the_protocol(protocol: str) -> None:
    found, row = cells(protocol, "| 80.0 |"), row_of("X-STILTs, best intermediate task per target")
    assert row.scores == by_task(dict(zip(TRAINED, found, strict=False)))
    averages = ("classification", "tagging", "qa", "seven tasks", "three groups")
    assert row.averages == {name: value for name, (value,) in zip(averages, found[7:], strict=True)}
    (line,) = (line for line in protocol.splitlines() if line.startswith("### C.2"))
    names = ("XNLI", "PAWS-X", "POS", "NER", "XQuAD F1", "MLQA F1", "TyDiQA F1")
    by_name = {task: re.findall(rf"{name} (\d+\.\d)", line) for task, name in zip(TRAINED, names, strict=True)}
    other = by_task({task: list(map(float, values)) for task, values in by_name.items()})
    assert row_of("X-STILTs (as printed beside mT5)").scores == other


@pytest.mark.parametrize(
    ("beginning", "name", "averages"),
    [
        ("[R] leaderboard", "XLM-R Large (XTREME's leaderboard)", {"seven tasks": 70.1}),
        ("Korean summary", "XLM-R Large (with retrieval)", {"all nine": 68.1}),
        ("[M]", "XLM-R Large (as printed beside mT5)", {}),
    ],
)
def test_scores_of_the_baseline_are_those_of_the_protocol(
    protocol: str, beginning: str, name: str, averages: dict[str, float]
) -> None:
    _, *found, average = cells(protocol, f"| {beginning}")
    # F1 stands first there
    scores = dict(zip((*TRAINED, "bucc2018", "tatoeba"), (values[::-1] for values in found), strict=True))
    row = row_of(name)
    assert (row.scores, row.averages) == (by_task(scores), averages)
    assert list(row.averages.values()) == average


def test_scores_by_language_are_those_of_the_protocol_and_their_means_are_computed(protocol: str) -> None:
    row = row_of("XLM-R Large (the authors' own, retrieval)")
    found = dict(re.findall(r"^- (BUCC|Tatoeba) .*?: (.*→ mean.*)$", protocol, flags=re.MULTILINE))
    for name, target in (("BUCC", "bucc2018"), ("Tatoeba", "tatoeba")):
        scores, _, mean = found[name].partition("→")
        by_code = {code: float(value) for code, value in re.findall(r"([a-z]{2}) (\d+\.\d)", scores)}
        assert row.languages[target] == by_code and set(by_code) == set(task_of(target).languages)
        assert f"**{row.shown(target)}**" in mean
    assert not row.scores and not row.averages


def test_claims_are_those_at_the_head_of_the_protocol_with_source_and_doubt(protocol: str) -> None:
    head, claims = protocol.partition("\n---\n")[0], {claim.name: claim for claim in published().claims}
    beginnings = {"squad_v1": "SQuAD", "mnli": "MNLI", "hellaswag": "HellaSwag", "mixture": "all nine jointly"}
    for name, beginning in (beginnings | {"best": "chosen per target"}).items():
        assert re.search(rf"{beginning}\s+{re.escape(claims[name].published)}", head)
    assert [name for name, claim in claims.items() if not claim.doubt] == ["retrieval"]
    assert all("2005.13013" in claim.source for claim in claims.values())
