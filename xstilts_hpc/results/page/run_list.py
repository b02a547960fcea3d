"""The list of runs in the report: their states, how their attempts ended, and why scores are missing."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xstilts_hpc.causes import Cause
from xstilts_hpc.errors import RunError
from xstilts_hpc.results.collect import RunState, Scores
from xstilts_hpc.results.page.learning import LearningCurve
from xstilts_hpc.results.tables.footer import flagged
from xstilts_hpc.run_folder import run_folder

# The state of a run whose scores are there, and of another where nobody said more.
COMPLETED, NOT_COMPLETED = "completed", "not completed"
RUN_COLUMNS = ("run", "stage", "state", "attempts", "ended early", "why scores are missing", "updates", "last loss")
FLAG_COLUMNS = ("run", "target", "flags", "languages")
_LONGEST = 300

Row = tuple[str | int | float, ...]


def run_rows(scores: Scores, states: Mapping[str, str], curves: Mapping[str, LearningCurve]) -> list[Row]:
    """Return a row of RUN_COLUMNS for every run of the plan, those whose scores are missing first.

    `states` has what the commands know of each run; `ended early` counts the causes of attempts that did not complete.
    """
    ordered = sorted(scores.runs, key=lambda run: run.state == "done")
    return [_run_row(scores, run, states, curves) for run in ordered]


def state_of(run: RunState, states: Mapping[str, str]) -> str:
    """Return the state of a run: completed where its scores are there, else as it was told.

    States are told before scores are read, so a run may have ended in between.
    """
    return COMPLETED if run.state == "done" else str(states.get(run.run, NOT_COMPLETED))


def flag_rows(scores: Scores) -> list[Row]:
    """Return a row of FLAG_COLUMNS for every run and target with flagged scores, with the languages they are in."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for run, target, language, flags in flagged(scores):
        found.setdefault((run, target, flags), []).append(language)
    return [(*key, " ".join(languages)) for key, languages in found.items()]


def _run_row(scores: Scores, run: RunState, states: Mapping[str, str], curves: Mapping[str, LearningCurve]) -> Row:
    try:
        attempts, damaged = run_folder(scores.root, run.run).attempts(), ""
    except RunError as error:
        attempts, damaged = [], str(error)
    curve = curves.get(run.run, LearningCurve((), ()))
    why = "; ".join(filter(None, (run.reason, damaged, *_errors(run, attempts))))
    numbers = (curve.updates[-1], _shown(curve.loss[-1])) if curve.updates else ("", "")
    stage = str(scores.plan.runs[run.run].stage)
    return run.run, stage, state_of(run, states), len(attempts), _causes(attempts), why, *numbers


def _shown(loss: float) -> float | str:
    return loss if math.isfinite(loss) else "not finite"


def _causes(attempts: Sequence[Mapping[str, Any]]) -> str:
    """Return how attempts ended that did not complete, each cause with its number where there are several."""
    counted = Counter(str(attempt.get("cause") or "no end yet") for attempt in attempts)
    del counted[Cause.COMPLETED]
    return ", ".join(cause if times == 1 else f"{cause} {times} times" for cause, times in counted.items())


def _errors(run: RunState, attempts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the last line of the error of the last attempt at a run without scores."""
    error = str(attempts[-1].get("error", "")).strip() if attempts and run.state != "done" else ""
    if error and attempts[-1].get("cause") != Cause.COMPLETED:
        yield error.splitlines()[-1][:_LONGEST]
