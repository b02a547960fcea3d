"""The table of every training's recipe and updates: what a paper says of them, and which sizes are at the floor."""

from collections.abc import Iterable, Iterator

from xstilts_hpc.plan import Stage
from xstilts_hpc.results.means import Means
from xstilts_hpc.results.tables.table import Plain, Shown, Table, footer_of, key_columns, keys_of
from xstilts_hpc.results.updates import Trained, trainings, updates_done
from xstilts_hpc.tasks import task_of
from xstilts_hpc.training import MIXTURE

# These three are told by the column `set by`.
_TOLD = ("epochs", "steps", "min_steps")


def recipes(means: Means) -> Table:
    """Return a row per intermediate training and per training on a target: its updates, and what differs of recipes."""
    found = trainings(means)
    described = [_described(one) for one in found]
    differing = [name for name in described[0] if len({one[name] for one in described}) > 1] if found else []
    rows = tuple(
        (*_keys(means, one), *_updates(means, one), *(_cell(values[name]) for name in differing))
        for one, values in zip(found, described, strict=True)
    )
    names = key_columns(means)
    columns = ("stage", "trained on", *names[1:], "updates", "updates done", "set by", *map(_words, differing))
    notes = (
        "updates: planned, with a feature for each example; a long one of question answering gives several, so that "
        "more are done; updates done: of the runs with scores; set by: a floor (at least so many) stands where it "
        "gives more than the epochs in brackets",
        _alike({name: value for name, value in described[0].items() if name not in differing}) if found else "",
        _retrieval(means),
    )
    return Table(
        "Recipes and updates", columns, rows, footer_of(means, means.targets, notes), len(names) + 1, "recipes"
    )


def _described(one: Trained) -> dict[str, float | str]:
    return {name: value for name, value in one.recipe.describe(trains=True).items() if name not in _TOLD}


def _keys(means: Means, one: Trained) -> tuple[str, ...]:
    if one.entry:
        return (Stage.INTERMEDIATE, *keys_of(means, one.entry))
    title = MIXTURE if one.training.task == MIXTURE else task_of(one.training.task).title
    blank = [""] * (len(key_columns(means)) - 2)
    return (Stage.TARGET, title, f"{one.planned.train_examples:,}", *blank)


def _set_by(one: Trained) -> str:
    recipe = one.recipe
    epochs = f"{recipe.epochs:g} epochs"
    if recipe.steps:
        return "fixed"
    by_epochs = recipe.steps_by_epochs(one.planned.train_examples)
    return f"at least {recipe.min_steps:,} ({epochs}: {by_epochs:,})" if one.at_floor else epochs


def _updates(means: Means, one: Trained) -> Iterator[Plain]:
    yield one.updates or ""
    yield " to ".join(f"{number:,}" for number in _ends(updates_done(means, one)))
    yield _set_by(one)


def _ends(numbers: list[int]) -> list[int]:
    return numbers if len(numbers) < 2 else [numbers[0], numbers[-1]]


def _alike(values: dict[str, float | str]) -> str:
    return "in all of them: " + _listed(values.items())


def _retrieval(means: Means) -> str:
    """Say how encoders are read for retrieval, which trains nothing; nothing where no run does."""
    read = (planned.run for planned in means.plan.runs.values() if planned.stage == Stage.RETRIEVAL)
    run = next((run for run in read if run.training is None), None)
    return "retrieval, without training: " + _listed(run.recipe.describe(trains=False).items()) if run else ""


def _listed(values: Iterable[tuple[str, float | str]]) -> str:
    return ", ".join(f"{_words(name)} {_shown(value)}" for name, value in values)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _cell(value: float | str) -> Plain:
    return value if isinstance(value, str) else Shown(value, _shown(value))
