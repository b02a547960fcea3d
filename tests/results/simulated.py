"""Studies whose truth is known: logits files of runs that answer each question with a chosen probability.

An item is answered right where its difficulty lies below the run's chance, so the expected score is that chance. A
difficulty has parts that runs, languages and the questions on a paragraph share; a chance is that of the size, plus
what the intermediate seeds, the target seed and the run itself do to it. The baseline has size 0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from tests.results.conftest import GridBuilder
from xstilts_hpc.logits import Logits, SequenceLogits, SpanLogits, TokenLogits
from xstilts_hpc.results.collect import gather
from xstilts_hpc.results.means import Means

Floats = NDArray[np.float64]
Right = NDArray[np.bool_]
Seeds = tuple[int, int, int]

# Shares of the variance of a difficulty: paragraph or sentence, item, item in a language, item after one intermediate
# training (which is not another's), and chance.
_GROUP, _ITEM, _LANGUAGE, _ENTRY, _CHANCE = 0.2, 0.3, 0.15, 0.1, 0.25
_EASIER = {"en": 0.08, "sw": -0.08}


def paired(count: int) -> tuple[Seeds, ...]:
    """Return sets of seeds that share none."""
    return tuple((i, i, i) for i in range(count))


def crossed(intermediate: int, target: int) -> tuple[Seeds, ...]:
    """Return every intermediate training followed by every target seed."""
    return tuple((i, i, j) for i in range(intermediate) for j in range(target))


def _nli(right: Right) -> SequenceLogits:
    gold = np.arange(len(right)) % 3
    predicted = np.where(right, gold, (gold + 1) % 3)
    logits = np.eye(3, dtype=np.float32)[predicted]
    return SequenceLogits(tuple(f"e{i}" for i in range(len(right))), logits, gold)


def _entities(right: Right) -> TokenLogits:
    """Give sentences of three entities, each found or missed, with a word between them."""
    gold = np.tile([0, 6], len(right))
    predicted = np.where(np.repeat(right, 2), gold, 6)
    first_word = np.arange(0, len(gold) + 1, 6)
    ids = tuple(f"s{i}" for i in range(len(first_word) - 1))
    return TokenLogits(ids, np.eye(7, dtype=np.float32)[predicted], first_word, gold)


def _answers(right: Right) -> SpanLogits:
    """Give paragraphs with three questions, each answered right or with one word of two: EM 0, F1 2/3."""
    n = len(right)
    start = np.tile(np.array([0, 9, 0], dtype=np.float32), n)
    end = np.where(np.repeat(right, 3), np.tile([0, 0, 9], n), np.tile([0, 9, 0], n)).astype(np.float32)
    return SpanLogits(
        example_id=tuple(f"q{i}" for i in range(n)),
        start_logits=start,
        end_logits=end,
        first_token=np.arange(0, 3 * n + 1, 3),
        offsets=np.tile([[0, 1], [2, 5], [6, 11]], (n, 1)),
        max_context=np.ones(3 * n, dtype=np.int64),
        null_logits=np.zeros((n, 2), dtype=np.float32),
        feature_example=np.arange(n),
        example_context=np.arange(n) // 3,
        contexts=("a red house",) * (n // 3),
        answers=('[{"text": "red house", "start": 2}]',) * n,
    )


@dataclass(frozen=True)
class Target:
    """A target task in small: its test set, how answers become logits, and the score of a chance to be right."""

    name: str
    languages: tuple[str, ...]
    items: int
    together: int
    parallel: bool
    logits: Callable[[Right], Logits]
    score: Callable[[Floats], Floats]

    def truth(self, chance: float, spread: float) -> float:
        """Return the expected score, the mean over languages, where chances vary by `spread` over seeds."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(9)
        chances = np.array([[chance + _EASIER[code]] for code in self.languages]) + spread * nodes
        return float((self.score(chances) @ weights).mean() / weights.sum())

    def only(self, language: str) -> "Target":
        """Return the task in one language."""
        return replace(self, languages=(language,))


def with_items(target: Target, items: int) -> Target:
    """Return a task with a test set of another size."""
    return replace(target, items=items)


XNLI = Target("xnli", ("en", "sw"), 200, 1, True, _nli, lambda p: p)
PANX = Target("panx", ("en", "sw"), 210, 3, False, _entities, lambda p: 2 * p / (1 + p))
XQUAD = Target("xquad", ("en",), 210, 3, True, _answers, lambda p: 1 / 3 + 2 / 3 * p)


@dataclass(frozen=True)
class World:
    """What is true: the chance to be right by size, and the standard deviations of what seeds do to it.

    `data` is what the choice of examples does, to all that are trained on them; none are chosen of the size `full`.
    """

    chances: Mapping[int, float]
    intermediate: float = 0.01
    target: float = 0.01
    run: float = 0.01
    data: float = 0.0
    full: int = -1

    def gain(self, target: Target, size: int) -> float:
        """Return the expected gain of a size."""
        alike = self.target**2 + self.run**2
        trained = target.truth(self.chances[size], float(np.sqrt(alike + self.intermediate**2 + self.data**2)))
        return trained - target.truth(self.chances[0], float(np.sqrt(alike)))


def simulate(root: Path, world: World, sets: Sequence[Seeds], targets: Sequence[Target], seed: int) -> Means:
    """Write the logits and records of all runs of a study, and collect them."""
    random = np.random.default_rng(seed)
    builder = GridBuilder(root)
    study = _Study(random, {target: _difficulties(random, target) for target in targets}, world)
    of_target = {target_seed: random.normal(0, world.target) for *_, target_seed in sets}
    for size in world.chances:
        study.train()
        names = _names(world, size, sets)
        effects = {name[:2]: random.normal(0, world.intermediate) if size else 0.0 for name in names}
        chosen = world.data and size not in (0, world.full)
        of_data = {name[0]: random.normal(0, world.data) if chosen else 0.0 for name in names}
        for name in names:
            chance = world.chances[size] + effects[name[:2]] + of_data[name[0]] + of_target[name[2]]
            run = builder.run("mnli", len(builder.runs), study.answers(chance))
            for target in targets:
                builder.cell(run, target.name, size=size, seeds=name)
                if size == world.full:
                    builder.cells[-1] = replace(builder.cells[-1], full=True)
    return Means(gather(builder.plan(), root))


def _names(world: World, size: int, sets: Sequence[Seeds]) -> list[Seeds]:
    """Return the seeds of the runs of a size, without those that do not apply."""
    if size == 0:
        return list(dict.fromkeys((-1, -1, target) for *_, target in sets))
    return list(dict.fromkeys((-1, train, target) for _, train, target in sets)) if size == world.full else list(sets)


@dataclass
class _Study:
    random: np.random.Generator
    difficulties: Mapping[Target, Floats]
    world: World

    def train(self) -> None:
        """Begin another intermediate training: it has difficulties of its own."""
        self.own = {
            target: shared + np.sqrt(_ENTRY) * self.random.standard_normal(shared.shape)
            for target, shared in self.difficulties.items()
        }

    def answers(self, chance: float) -> dict[str, dict[str, Logits]]:
        """Return the logits of a run on every target."""
        chance += self.random.normal(0, self.world.run)
        return {target.name: dict(self._by_language(target, chance)) for target in self.own}

    def _by_language(self, target: Target, chance: float) -> list[tuple[str, Logits]]:
        own = self.own[target]
        difficulty = ndtr(own + np.sqrt(_CHANCE) * self.random.standard_normal(own.shape))
        return [
            (code, target.logits(row < chance + _EASIER[code]))
            for code, row in zip(target.languages, difficulty, strict=True)
        ]


def _difficulties(random: np.random.Generator, target: Target) -> Floats:
    """Return the part of difficulties `[languages, items]` that all runs share."""
    shape = len(target.languages), target.items
    copies = 1 if target.parallel else len(target.languages)
    group = np.repeat(random.standard_normal((copies, target.items // target.together)), target.together, axis=1)
    item = random.standard_normal((copies, target.items))
    shared = np.sqrt(_GROUP) * group + np.sqrt(_ITEM) * item
    return np.broadcast_to(shared, shape) + np.sqrt(_LANGUAGE) * random.standard_normal(shape)
