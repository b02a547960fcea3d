"""Whether a run starts again by itself: budgets by cause, and an end to attempts that get nowhere. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xstilts_hpc.causes import MOST_WITHOUT_PROGRESS, RULES, Cause


@dataclass(frozen=True)
class Verdict:
    """Whether a run starts again by itself, and the words for its record."""

    again: bool
    text: str


def verdict(attempts: Sequence[Mapping[str, Any]], now: Sequence[int], budgets: Mapping[Cause, int]) -> Verdict:
    """Return what follows the last attempt; `now` is what is on disk: updates and languages.

    Only the attempts of its life count: those that one submission (its Slurm job, requeued) made.
    """
    last, cause = attempts[-1], Cause(attempts[-1]["cause"])
    life = [attempt for attempt in attempts if life_of(attempt) == life_of(last)]
    budget, used = budgets.get(cause, RULES[cause].budget), sum(attempt["cause"] == cause for attempt in life)
    if not budget:
        return Verdict(False, "")
    if used > budget:
        return Verdict(False, f"given up: {cause} {used} times, at most {budget} restarts within one submission")
    begun = [list(attempt["had"]) for attempt in life if "had" in attempt][-MOST_WITHOUT_PROGRESS:]
    if len(begun) == MOST_WITHOUT_PROGRESS and all(had == list(now) for had in begun):
        return Verdict(False, f"given up: {len(begun)} attempts in a row ended where they began")
    return Verdict(True, f"starts again: {cause}, restart {used} of at most {budget}")


def life_of(attempt: Mapping[str, Any]) -> str:
    """Return what attempts of one submission share: the job that Slurm requeues, or the pool of this machine."""
    job = attempt.get("job", {})
    return str(job.get("SLURM_JOB_ID") or job.get("XSTILTS_POOL") or f"attempt {attempt.get('attempt')}")
