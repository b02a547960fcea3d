"""What one training is trained on: one task or several, in which languages, and how their updates are shared out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xstilts_hpc.files import made_of
from xstilts_hpc.languages import ENGLISH
from xstilts_hpc.recipe import Recipe

MIXTURE = "mixture"
MASKED_TEXT = "mlm"
PARAGRAPHS = "paragraphs"
_MOST_NAMED = 4
# The beginnings of what a variant has beside English examples.
_BESIDE_ENGLISH = ("translated ", "MLM ")


@dataclass(frozen=True)
class Part:
    """A task's share of a training set: `size` of its examples (0 = all) in some languages, and their digest.

    `drawn` says how a subset is drawn where that is not by label alone: "paragraphs" are whole ones, with at most
    `size` examples; any other word is what it is stratified by beside the label.
    """

    task: str
    data: str
    size: int = 0
    languages: tuple[str, ...] = (ENGLISH,)
    drawn: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the part as JSON; without `drawn` where it says nothing, so that ids stay what they were."""
        return {name: value for name, value in vars(self).items() if name != "drawn" or value}


@dataclass(frozen=True)
class Sampling:
    """How the updates of a mixture are shared out: a task's weight is min(its features, cap) to the exponent.

    Exponent 1 is proportional to size, 0 uniform, 1/T temperature T; cap 0 is none. (T5's and jiant's rules.)
    """

    exponent: float = 1.0
    cap: int = 0

    def weights(self, features: Sequence[int]) -> list[float]:
        """Return each task's share of the updates; they add up to 1."""
        raw = [float(min(count, self.cap or count)) ** self.exponent for count in features]
        return [weight / sum(raw) for weight in raw]


@dataclass(frozen=True)
class Training:
    """A training set and its seeds: one part, or several that are trained jointly, each under its own head.

    `mlm_weight` is the share of all updates that are masked-language modelling on the last part (text of many
    languages); the tasks' own updates are as many as without it.
    """

    parts: tuple[Part, ...]
    data_seed: int
    train_seed: int
    sampling: Sampling = Sampling()
    mlm_weight: float = 0.0

    @property
    def task_parts(self) -> tuple[Part, ...]:
        """Return the parts that are tasks: all but the text of masked-language modelling."""
        return self.parts[:-1] if self.mlm_weight else self.parts

    @property
    def tasks(self) -> tuple[str, ...]:
        """Return the names of the tasks."""
        return tuple(part.task for part in self.task_parts)

    @property
    def task(self) -> str:
        """Return the task, or the word for several of them."""
        return self.tasks[0] if len(self.tasks) == 1 else MIXTURE

    @property
    def subset(self) -> bool:
        """Say whether a data seed chooses the examples."""
        return any(part.size for part in self.parts)

    @property
    def by_paragraph(self) -> bool:
        """Say whether the examples are chosen in whole paragraphs."""
        return any(part.drawn == PARAGRAPHS for part in self.parts)

    @property
    def variant(self) -> str:
        """Return what tells this training from all others of its name and size: tasks, sampling, languages in full."""
        mixed = ["+".join(self.tasks), *_sampling_words(self.sampling)] if len(self.tasks) > 1 else []
        languages = self.task_parts[0].languages
        translated = [] if languages == (ENGLISH,) else ["translated " + " ".join(languages)]
        mlm = [f"MLM {self.mlm_weight:g} in " + " ".join(self.parts[-1].languages)] if self.mlm_weight else []
        paragraphs = ["whole paragraphs"] if self.by_paragraph else []
        return ", ".join([*mixed, *translated, *paragraphs, *mlm])

    @property
    def name(self) -> str:
        """Return a readable name such as `mnli_1000_d0_s0`; a full set has no data seed."""
        sizes = {part.size for part in self.task_parts}
        size = f"{max(sizes)}_d{self.data_seed}" if self.subset else "full"
        task = self.task if len(self.tasks) == 1 else f"{MIXTURE}{len(self.tasks)}"
        languages = self.task_parts[0].languages
        translated = "" if languages == (ENGLISH,) else "_" + _counted(languages, "languages").replace(" ", "-")
        paragraphs = f"_{PARAGRAPHS}" if self.by_paragraph else ""
        return f"{task}{translated}{paragraphs}{'_mlm' if self.mlm_weight else ''}_{size}_s{self.train_seed}"

    def to_json(self) -> dict[str, Any]:
        """Return everything that decides the training set, as JSON."""
        parts = [part.to_json() for part in self.parts]  # dataclasses.asdict takes half the time of a large plan
        return {**vars(self), "parts": parts, "sampling": dict(vars(self.sampling))}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Training":
        """Return the training of a JSON value."""
        parts = tuple(made_of(Part, {**part, "languages": tuple(part["languages"])}) for part in value["parts"])
        return made_of(Training, {**value, "parts": parts, "sampling": made_of(Sampling, value["sampling"])})


def training_on(task: str, data: str, *, size: int = 0, data_seed: int = 0, train_seed: int = 0) -> Training:
    """Return the training on the English training set of one task."""
    return Training((Part(task, data, size),), data_seed, train_seed)


def short_variant(variant: str) -> str:
    """Return a variant with more than four tasks or languages counted instead of named."""
    return ", ".join(map(_short_piece, variant.split(", ")))


def plain_variant(variant: str, left_out: tuple[str, ...] = _BESIDE_ENGLISH) -> str:
    """Return the variant of the same training without what begins so: else on English alone, without all of it."""
    return ", ".join(piece for piece in variant.split(", ") if not piece.startswith(left_out))


def _short_piece(piece: str) -> str:
    if "+" in piece:
        return _counted(piece.split("+"), "tasks", "+")
    for beginning in _BESIDE_ENGLISH:
        if piece.startswith(beginning):
            head, between, languages = piece.rpartition(" in ") if " in " in piece else ("translated", " ", piece[11:])
            return head + between + _counted(languages.split(), "languages")
    return piece


def _counted(names: Sequence[str], what: str, between: str = " ") -> str:
    return between.join(names) if len(names) <= _MOST_NAMED else f"{len(names)} {what}"


def _sampling_words(sampling: Sampling) -> list[str]:
    if sampling == Sampling():
        return []
    rule = "uniform" if not sampling.exponent else f"temperature {1 / sampling.exponent:g}"
    return [rule + (f" cap {sampling.cap}" if sampling.cap else "")]


def updates_of_parts(training: Training, features: Sequence[int], recipe: Recipe) -> list[int]:
    """Return the number of updates of each part; `features` counts the features of each.

    All tasks together get as many updates as they would get one by one (or `steps`), shared out by the sampling with
    largest remainders, so that proportional sampling gives each task its own epochs.
    """
    own = features[: len(training.task_parts)]
    total = recipe.steps or max(recipe.min_steps, sum(recipe.steps_by_epochs(count) for count in own))
    updates = _quotas(training.sampling.weights(own), total)
    return [*updates, _text_updates(total, training.mlm_weight)] if training.mlm_weight else updates


def _text_updates(total: int, weight: float) -> int:
    return max(1, round(total * weight / (1 - weight)))


def _quotas(weights: Sequence[float], total: int) -> list[int]:
    exact = [weight * total for weight in weights]
    quotas = [int(share) for share in exact]
    for i in sorted(range(len(exact)), key=lambda i: (quotas[i] - exact[i], i))[: total - sum(quotas)]:
        quotas[i] += 1
    return quotas


def order_of_parts(updates: Sequence[int], seed: int) -> list[int]:
    """Return which part each update is of: all parts evenly mixed, in an order that depends on the seed alone."""
    parts = np.repeat(np.arange(len(updates)), updates)
    return [int(part) for part in np.random.default_rng([seed, len(updates), 1]).permutation(parts)]
