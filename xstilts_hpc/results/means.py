"""Means over languages and seeds, and gains over the baseline; fractions, and blank where a member is missing."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from xstilts_hpc.grid_values import NO_TASK
from xstilts_hpc.languages import ENGLISH, LANGUAGES
from xstilts_hpc.plan import UNUSED_SEED, Cell, Plan
from xstilts_hpc.results.collect import Scores, asked
from xstilts_hpc.results.tables.parts import HEADLINE, parts_beside
from xstilts_hpc.tasks import task_of
from xstilts_hpc.training import short_variant

# A standard deviation of fewer values says nothing.
FEWEST_FOR_SPREAD = 3

Seeds = tuple[int, int, int]


@dataclass(frozen=True)
class Entry:
    """A row of the tables: an intermediate training at one size, or the baseline."""

    intermediate: str
    size: int = 0
    full: bool = False
    variant: str = ""
    schedule: str = ""

    @property
    def baseline(self) -> bool:
        """Say whether nothing was trained before the target."""
        return self.intermediate == NO_TASK


@dataclass(frozen=True)
class Mean:
    """A mean of fractions, NaN where blank; its sample standard deviation, NaN where too few; members had and asked."""

    value: float = math.nan
    spread: float = math.nan
    found: int = 0
    expected: int = 0

    @property
    def complete(self) -> bool:
        """Say whether it is a number with all its members."""
        return not math.isnan(self.value) and self.found == self.expected


@dataclass(frozen=True, eq=False)
class Means:
    """The means of a grid's scores; two are the same only where they are one object.

    With `partial` a mean is taken over the cells that are complete; else it is blank unless all are. A mean over
    languages is never taken over some of them. What is in `left_out` (and what is compared with a baseline in it) has
    no part in any mean, as if its seeds had not been asked for.
    """

    scores: Scores
    partial: bool = False
    left_out: frozenset["Key"] = frozenset()

    @property
    def plan(self) -> Plan:
        """Return the plan of the scores."""
        return self.scores.plan

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Return the rows of the tables: the baseline, then each intermediate task by rising size."""
        entries = list(dict.fromkeys(entry_of(cell) for cell in self.plan.cells))
        order = list(dict.fromkeys(entry.intermediate for entry in entries))
        schedules = list(dict.fromkeys(entry.schedule for entry in entries))
        return tuple(
            sorted(
                entries,
                key=lambda e: (
                    not e.baseline,
                    order.index(e.intermediate),
                    e.variant,
                    e.size,
                    schedules.index(e.schedule),
                ),
            )
        )

    @cached_property
    def shown_variants(self) -> Mapping[str, str]:
        """Return each variant as tables show it."""
        return short_variants(entry.variant for entry in self.entries)

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """Return the target tasks in the plan's order, those that are asked in some language."""
        return tuple(dict.fromkeys(c.target for c in self.plan.cells if not c.own and asked(self.plan, c)))

    @cached_property
    def own(self) -> Mapping[Entry, tuple[str, ...]]:
        """Return the intermediate tasks of each entry that were scored on their own dev sets."""
        found: dict[Entry, dict[str, None]] = {}
        for cell in self.plan.cells:
            if cell.own and asked(self.plan, cell):
                found.setdefault(entry_of(cell), {})[cell.target] = None
        return {entry: tuple(names) for entry, names in found.items()}

    @cached_property
    def splits(self) -> Mapping[str, str]:
        """Return the split that each task is scored on."""
        asks = (asked(self.plan, cell) for cell in self.plan.cells)
        return {prediction.task: str(prediction.split) for predictions in asks for prediction in predictions}

    @cached_property
    def data_digest(self) -> str:
        """Return the digest of all data that the plan trains on and evaluates on, from the digests of its sets."""
        runs = self.plan.runs.values()
        trainings = (planned.run.training for planned in runs)
        trained = {f"{part.task} {part.data}" for training in trainings if training for part in training.parts}
        asks = (ask for planned in runs for ask in planned.request.predictions)
        scored = {f"{ask.task} {ask.split} {code} {digest}" for ask in asks for code, digest in ask.data.items()}
        return hashlib.sha256("\n".join(sorted(trained | scored)).encode()).hexdigest()

    @cached_property
    def _languages(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, set[str]] = {}
        for cell in self.plan.cells:
            for prediction in asked(self.plan, cell):
                found.setdefault(cell.target, set()).update(prediction.languages)
        order = [ENGLISH, *(code for code in LANGUAGES if code != ENGLISH)]
        return {target: tuple(sorted(codes, key=order.index)) for target, codes in found.items()}

    @cached_property
    def _seeds(self) -> Mapping[tuple[Entry, str], tuple[Seeds, ...]]:
        """Return the seeds of every entry and target, those of excluded cells too, which stay blank."""
        found: dict[tuple[Entry, str], dict[Seeds, None]] = {}
        for cell in (*self.plan.cells, *(item.cell for item in self.plan.excluded)):
            entry, target, seeds = key_of(cell)
            asked_for = found.setdefault((entry, target), {})
            if not {(entry, target, seeds), (BASELINE, target, baseline_seeds(seeds))} & self.left_out:
                asked_for[seeds] = None
        return {key: tuple(seeds) for key, seeds in found.items()}

    @cached_property
    def _scored(self) -> dict[tuple[Entry, str, tuple[str, ...], str], Mean]:
        """Return the means that were asked for before: several tables show the same ones."""
        return {}

    @cached_property
    def _parts(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, dict[str, None]] = {}
        for target, part in self.scores.frame[["target", "metric"]].drop_duplicates().itertuples(index=False):
            found.setdefault(target, {})[part] = None
        return {target: tuple(parts) for target, parts in found.items()}

    def parts(self, target: str) -> tuple[str, ...]:
        """Return the parts of a task's metric that tables show beside its headline."""
        return parts_beside(task_of(target).metric, self._parts.get(target, ()))

    def languages(self, target: str) -> tuple[str, ...]:
        """Return the languages a task is asked in, English first."""
        return self._languages.get(target, ())

    def zero_shot(self, target: str) -> tuple[str, ...]:
        """Return the languages a task is asked in, without English."""
        return tuple(code for code in self.languages(target) if code != ENGLISH)

    def seeds(self, entry: Entry, target: str) -> tuple[Seeds, ...]:
        """Return the sets of seeds (data, training, target) of an entry."""
        return self._seeds.get((entry, target), ())

    def compared(self) -> list[tuple[Entry, str]]:
        """Return every entry but the baseline with each target on which it has sets of seeds."""
        trained = (entry for entry in self.entries if not entry.baseline)
        return [(entry, target) for entry in trained for target in self.targets if self.seeds(entry, target)]

    def by_seed(self, entry: Entry, target: str, languages: Sequence[str], *, part: str = HEADLINE) -> list[float]:
        """Return the mean over languages for each set of seeds, NaN where a language is missing."""
        cells = [_key(entry, target, seeds) for seeds in self.seeds(entry, target)]
        return list(map(float, self.scores.table.over_languages(cells, part, languages)))

    def score(self, entry: Entry, target: str, languages: Sequence[str], *, part: str = HEADLINE) -> Mean:
        """Return the mean over languages, then over seeds, of the headline or of a part of the metric."""
        key = entry, target, tuple(languages), part
        if key not in self._scored:
            self._scored[key] = self._mean(self.by_seed(entry, target, languages, part=part))
        return self._scored[key]

    def gain(self, entry: Entry, target: str, languages: Sequence[str]) -> Mean:
        """Return the mean over seeds of the score minus the baseline's with the same target seed."""
        return self._mean(self.gain_by_seed(entry, target, languages))

    def gain_by_seed(self, entry: Entry, target: str, languages: Sequence[str]) -> list[float]:
        """Return the gain over the baseline for each set of seeds, NaN where a score is missing."""
        own = self.by_seed(entry, target, languages)
        cells = [_key(BASELINE, target, baseline_seeds(seeds)) for seeds in self.seeds(entry, target)]
        base = map(float, self.scores.table.over_languages(cells, HEADLINE, languages))
        return [score - baseline for score, baseline in zip(own, base, strict=True)]

    def gap(self, entry: Entry, target: str, *, minus_baseline: bool = False) -> Mean:
        """Return the mean over seeds of English minus the mean of the other languages."""
        by_seed = self.gain_by_seed if minus_baseline else self.by_seed
        english, others = (by_seed(entry, target, codes) for codes in ((ENGLISH,), self.zero_shot(target)))
        return self._mean([one - rest for one, rest in zip(english, others, strict=True)])

    def over(self, means: Iterable[Mean]) -> Mean:
        """Return the plain mean of several means, counting their members; it has no spread of its own.

        One that was not asked for counts as a member that is missing.
        """
        listed = list(means)
        found, expected = sum(m.found for m in listed), sum(max(m.expected, 1) for m in listed)
        values = [mean.value for mean in listed if not math.isnan(mean.value)]
        blank = not values or (len(values) < len(listed) and not self.partial)
        return Mean(math.nan if blank else float(np.mean(values)), math.nan, found, expected)

    def over_languages(
        self, entry: Entry, target: str, seeds: Seeds, languages: Sequence[str], part: str = HEADLINE
    ) -> float:
        """Return the mean over languages of one set of seeds, NaN where a language is missing."""
        return float(self.scores.table.over_languages([_key(entry, target, seeds)], part, languages)[0])

    def of_runs(self, runs: Iterable[tuple[Entry, Seeds]], target: str, languages: Sequence[str]) -> list[float]:
        """Return the mean over languages of some runs on a target, NaN where a language is missing."""
        cells = [_key(entry, target, seeds) for entry, seeds in runs]
        return list(map(float, self.scores.table.over_languages(cells, HEADLINE, languages)))

    def _mean(self, values: Sequence[float]) -> Mean:
        found = [value for value in values if not math.isnan(value)]
        if not found or (len(found) < len(values) and not self.partial):
            return Mean(found=len(found), expected=len(values))
        spread = float(np.std(found, ddof=1)) if len(found) >= FEWEST_FOR_SPREAD else math.nan
        return Mean(float(np.mean(found)), spread, len(found), len(values))


# An entry on a target task with its seeds.
Key = tuple[Entry, str, Seeds]
BASELINE = Entry(NO_TASK)


def _key(entry: Entry, target: str, seeds: Seeds) -> tuple[str | int | bool, ...]:
    """Return the key of a cell in the table of scores."""
    return (entry.intermediate, entry.size, entry.full, entry.variant, entry.schedule, target, *seeds)


def short_variants(variants: Iterable[str]) -> dict[str, str]:
    """Return each variant in short, or in full where another is shortened to the same."""
    short = {variant: short_variant(variant) for variant in variants}
    times = Counter(short.values())
    return {variant: shown if times[shown] == 1 else variant for variant, shown in short.items()}


def entry_of(cell: Cell) -> Entry:
    """Return the row of the tables that a cell belongs to."""
    return Entry(cell.intermediate, cell.size, cell.full, cell.variant, cell.schedule)


def baseline_seeds(seeds: Seeds) -> Seeds:
    """Return the seeds of the baseline that a run is compared with: the same target seed."""
    return UNUSED_SEED, UNUSED_SEED, seeds[2]


def key_of(cell: Cell) -> Key:
    """Return a cell's entry, target task and seeds: data, training and target seed."""
    return entry_of(cell), cell.target, (cell.data_seed, cell.train_seed, cell.target_seed)
