"""What stands under every table: where its numbers come from and what is missing."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath

from xstilts_hpc.languages import LANGUAGES
from xstilts_hpc.plan import UNUSED_SEED, Plan
from xstilts_hpc.results.collect import Scores
from xstilts_hpc.results.means import FEWEST_FOR_SPREAD, Means
from xstilts_hpc.results.updates import trainings
from xstilts_hpc.tasks import task_of
from xstilts_hpc.tasks.base import Split, Task
from xstilts_hpc.training import MIXTURE
from xstilts_hpc.version import code_version

MADE_UP_NOTICE = "These are made-up languages: the numbers mean nothing beyond the demonstration."
_DIGITS = 10
_MOST_NAMES = 5


def is_made_up(plan: Plan) -> bool:
    """Say whether the data are the miniature world's, or any language asked for is made up."""
    asks = (prediction for planned in plan.runs.values() for prediction in planned.request.predictions)
    languages = {language for prediction in asks for language in prediction.languages}
    made_up = any(code in LANGUAGES and LANGUAGES[code].made_up for code in languages)
    return made_up or "miniature" in PurePosixPath(plan.data).parts


def footer(means: Means, targets: Sequence[str]) -> tuple[str, ...]:
    """Return the lines under a table of some tasks."""
    return tuple(line for line in _lines(means, targets) if line)


def _lines(means: Means, targets: Sequence[str]) -> Iterator[str]:
    scores, plan = means.scores, means.plan
    yield MADE_UP_NOTICE if is_made_up(plan) else ""
    data = means.data_digest[:_DIGITS]
    yield f"grid {plan.name}, digest {plan.digest[:_DIGITS]}, data {data}; xstilts_hpc {code_version()}; {_today()}"
    yield _seeds(plan)
    yield _counts(means, targets)
    splits = {name: means.splits[name] for name in targets}
    shown = (f"{task_of(name).title} {shown_split(task_of(name), split)}" for name, split in splits.items())
    yield "split: " + ", ".join(shown) if targets else ""
    yield completeness(scores)
    for name, split in splits.items():
        absent = " ".join(plan.absent.get(name, ()))
        yield f"{task_of(name).title}: no labelled {split} file for {absent}" if absent else ""
    yield from _floors(means)
    yield _flagged(scores)


def _today() -> str:
    return str(datetime.now(UTC).date())


def shown_split(task: Task, split: str) -> str:
    """Return the name of a split, and what it is where the name does not say it."""
    return f"{split} ({task.dev_set})" if task.dev_set and split == Split.DEV else split


def completeness(scores: Scores) -> str:
    """Return how many cells of the grid are missing or excluded."""
    excluded = len(scores.plan.excluded)
    more = f"; {excluded} more excluded by the grid (shown as missing)" if excluded else ""
    return f"cells missing: {scores.num_missing}/{scores.num_cells}{more}"


def flagged(scores: Scores) -> list[tuple[str, str, str, str]]:
    """Return run, target, language and flags of every score with a flag, each once."""
    rows = scores.frame.loc[scores.frame["flags"] != ""].to_dict("records")
    return list(dict.fromkeys((row["run"], row["target"], row["language"], row["flags"]) for row in rows))


def _seeds(plan: Plan) -> str:
    names = {"data": "data_seed", "training": "train_seed", "target": "target_seed"}
    used = {word: sorted({getattr(cell, name) for cell in plan.cells} - {UNUSED_SEED}) for word, name in names.items()}
    return "seeds: " + "; ".join(f"{word} {' '.join(map(str, seeds))}" for word, seeds in used.items() if seeds)


def _counts(means: Means, targets: Sequence[str]) -> str:
    """Say over how many seeds the entries are averaged, and what the spread is."""
    counts = {len(means.by_seed(entry, target, ())) for entry in means.entries for target in targets} - {0}
    if not counts:
        return ""
    number = str(min(counts)) if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
    spread = "; ±: sample standard deviation over them" if max(counts) >= FEWEST_FOR_SPREAD else ", no spread given"
    return f"n={number} sets of seeds per entry{spread}"


def _floors(means: Means) -> Iterator[str]:
    """Yield the sizes of intermediate trainings that have more updates than their epochs give: not by size alone."""
    found: dict[int, dict[str, list[str]]] = {}
    for one in trainings(means):
        if one.entry and one.at_floor:
            sizes = found.setdefault(one.recipe.min_steps, {}).setdefault(one.entry.intermediate, [])
            sizes += [f"{one.entry.size:,}"] * (f"{one.entry.size:,}" not in sizes)
    for floor, by_task in found.items():
        title = {name: name if name == MIXTURE else task_of(name).title for name in by_task}
        listed = "; ".join(f"{title[name]} {' '.join(sizes)}" for name, sizes in by_task.items())
        yield f"at the floor of {floor:,} updates, more than epochs give: {listed}"


def _flagged(scores: Scores) -> str:
    found = flagged(scores)
    if not found:
        return "flagged runs: none"
    runs = list(dict.fromkeys(f"{run} ({flags})" for run, _, _, flags in found))
    return f"flagged runs: {len({row[0] for row in found})}: {_some(runs)}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
