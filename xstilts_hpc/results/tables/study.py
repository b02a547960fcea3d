"""Which entries of a grid are trained as the study trains: on whole training sets, by its schedule; the best one."""

import math
from collections.abc import Callable, Sequence

from xstilts_hpc.grid_values import Schedule
from xstilts_hpc.results.means import Entry, Mean, Means

BEST = "best single task at full size"
_STUDYS: Schedule = "equal_epochs"


def at_full_size(means: Means) -> list[Entry]:
    """Return the entries at full size, of the study's schedule where any has it."""
    full = [entry for entry in means.entries if entry.full]
    return [entry for entry in full if entry.schedule == _STUDYS] or full


def single_tasks(means: Means) -> list[Entry]:
    """Return those of the entries at full size that are trained on one task alone, in plain English."""
    return [entry for entry in at_full_size(means) if not entry.variant]


def best_per_target(
    means: Means, measure: Callable[[Entry, str, Sequence[str]], Mean], targets: Sequence[str]
) -> list[Mean]:
    """Return the greatest `means.gain` or `means.score` of the single tasks on each target; none where there is one."""
    single = single_tasks(means)
    if len(single) < 2:
        return []
    return [_best_of([measure(entry, target, means.languages(target)) for entry in single]) for target in targets]


def best_note(means: Means) -> str:
    """Say what the best of each target is chosen from, and that it is too high."""
    single = single_tasks(means)
    if len(single) < 2:
        return ""
    return (
        f"{BEST}: for each target the best of the {len(single)} tasks trained on alone, in plain English, by the "
        f"schedule {single[0].schedule}; chosen by the very scores that are shown, so it is too high by chance"
    )


def _best_of(means: Sequence[Mean]) -> Mean:
    """Return the greatest of the means that are complete, without spread; its members are the means."""
    complete = [mean.value for mean in means if mean.complete]
    return Mean(max(complete, default=math.nan), math.nan, len(complete), len(means))
