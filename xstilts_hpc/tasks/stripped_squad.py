"""Read evaluation files in SQuAD's JSON whose answers XTREME may have taken out."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from xstilts_hpc.examples import Example, SpanExample
from xstilts_hpc.tasks.base import BadRowError
from xstilts_hpc.tasks.hub import parse_spans
from xstilts_hpc.tasks.squad_format import parse_squad


def parse_evaluation(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Yield the questions of a file of answerable questions; one without an answer, or with an empty one, has no gold.

    XTREME's utils_preprocess.py (remove_qa_test_annotations) puts the text "" at 0 in the place of the answers.
    """
    return (_without_placeholder(row) for row in parse_squad(paths, language))


def parse_hub_evaluation(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read a parquet copy of such a file."""
    return (_without_placeholder(row) for row in parse_spans(paths, language))


def _without_placeholder(row: Example | BadRowError) -> Example | BadRowError:
    if isinstance(row, SpanExample) and not any(answer.text for answer in row.answers or ()):
        return replace(row, answers=None)
    return row
