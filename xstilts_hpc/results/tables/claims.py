"""What the study claims beside what a grid found: each claim with the number that would confirm or refute it."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from xstilts_hpc.results.means import Entry, Mean, Means
from xstilts_hpc.results.tables.footer import is_made_up
from xstilts_hpc.results.tables.published import Claim, cited, published
from xstilts_hpc.results.tables.study import at_full_size, best_note, best_per_target, single_tasks
from xstilts_hpc.results.tables.table import MISSING, Plain, Shown, Table, footer_of, gains_of, keys_of, number
from xstilts_hpc.tasks import STUDY_TASKS, task_of
from xstilts_hpc.training import MIXTURE, plain_variant

_ABSENT = "not in this grid"


def claims(means: Means, intervals: Table) -> Table:
    """Return each claim of the study with what would confirm or refute it here.

    `intervals` is the table of gains with their tests: a claim counts as significant what that table does.
    """
    full = at_full_size(means)
    beside = dict(_beside(means, full, intervals)) if full and not is_made_up(means.plan) else {}
    asked = list(enumerate(published().claims, 1)) if beside else []
    rows = tuple((f"claim {i}", claim.says, claim.published, *beside[claim.name]) for i, claim in asked)
    notes = (
        "published: mean gains over the XLM-R baseline in points; here: the mean over this grid's targets, at full "
        "size, of score minus baseline, same target seed; intervals: gain_interval",
        _schedule_note(means, full),
        best_note(means),
        *_sources(asked),
    )
    title = "The study's claims beside this grid"
    columns = ("claim", "what the study says", "published", "here", "in this grid it is")
    return Table(title, columns, rows, footer_of(means, means.targets, notes), 2, "claims")


def _sources(asked: Iterable[tuple[int, Claim]]) -> Iterator[str]:
    """Yield where the claims are from and what is in doubt, those together of which the same is true."""
    numbers: dict[str, list[str]] = {}
    for i, claim in asked:
        numbers.setdefault(cited(claim), []).append(f"{i}")
    for words, of in numbers.items():
        yield f"claim {', '.join(of)}: {words}"


# What a gain must have in the table of gains with their tests to count as significant.
_CORRECTED, _SIGNIFICANT = "p (Holm)", 0.05
_RETRIEVAL = ("bucc2018", "tatoeba")


def _schedule_note(means: Means, full: Sequence[Entry]) -> str:
    """Say which schedule the claims are read from, where the grid has several."""
    schedules = {entry.schedule for entry in means.entries if not entry.baseline}
    return f"schedule: {full[0].schedule} alone; the gains have every schedule" if full and len(schedules) > 1 else ""


def _beside(means: Means, full: Sequence[Entry], intervals: Table) -> Iterator[tuple[str, tuple[Plain, str]]]:
    """Yield what is set beside each claim, by the claim's name, and what it is."""
    single = single_tasks(means)
    plain = {entry.intermediate: entry for entry in single}
    for name in ("squad_v1", "mnli", "hellaswag"):
        yield name, (_mean_gain(means, plain.get(name)), f"the mean gain after {task_of(name).title}")
    jointly = next((e for e in full if e.intermediate == MIXTURE and _tasks(e) == len(STUDY_TASKS)), None)
    yield "mixture", (_mean_gain(means, jointly), "the mean gain after the mixture of nine")
    yield "best", (_best_gain(means), "the mean of the best gain of each target")
    yield "retrieval", (_over(means, single, _RETRIEVAL), "the mean gain on BUCC, Tatoeba")
    gaining = f"single tasks: gains above 0, of these {_CORRECTED} < {_SIGNIFICANT:g} in {intervals.name}, all"
    for target in ("tydiqa", "xnli"):
        yield target, (_gaining(means, single, target, intervals), gaining)
    for name, beginning in (("mlm", "MLM"), ("translated", "translated")):
        yield name, (_against(means, full, beginning), "the mean of English minus it")


def _tasks(entry: Entry) -> int:
    return len(entry.variant.partition(",")[0].split("+"))


def _mean_gain(means: Means, entry: Entry | None) -> Plain:
    if entry is None:
        return _ABSENT
    return number(means.over(gains_of(means, entry)), signed=True)


def _best_gain(means: Means) -> Plain:
    best = best_per_target(means, means.gain, means.targets)
    return number(means.over(best), signed=True) if best else _ABSENT


def _gains(means: Means, entries: Sequence[Entry], target: str) -> list[Mean]:
    return [means.gain(entry, target, means.languages(target)) for entry in entries]


def _over(means: Means, entries: Sequence[Entry], targets: Sequence[str]) -> Plain:
    asked = [target for target in targets if target in means.targets]
    if not entries or not asked:
        return _ABSENT
    return number(means.over(gain for target in asked for gain in _gains(means, entries, target)), signed=True)


def _gaining(means: Means, entries: Sequence[Entry], target: str, intervals: Table) -> Plain:
    """Return how many gains are above 0, how many of these are significant, of how many, and how many have no test."""
    if not entries or target not in means.targets:
        return _ABSENT
    gains = _gains(means, entries, target)
    if any(math.isnan(gain.value) for gain in gains):
        return MISSING
    corrected = _corrected(intervals)
    p_values = [corrected[*keys_of(means, entry), task_of(target).title] for entry in entries]
    positive = [p_value for gain, p_value in zip(gains, p_values, strict=True) if gain.value > 0]
    significant, untested = sum(p_value < _SIGNIFICANT for p_value in positive), sum(map(math.isnan, p_values))
    tested = f"{significant} significant" if untested < len(gains) else ""
    counts = (f"{len(positive)} above 0", tested, f"of {len(gains)}{number(means.over(gains)).members}")
    more = f"; {untested} with too few seeds for a test" if untested else ""
    return ", ".join(filter(None, counts)) + more


def _corrected(intervals: Table) -> dict[tuple[Plain, ...], float]:
    """Return the corrected p-value of each row of the table of gains with their tests, NaN where there is none."""
    place = intervals.columns.index(_CORRECTED)
    return {row[: intervals.keys]: cell.value for row in intervals.rows if isinstance(cell := row[place], Shown)}


def _against(means: Means, entries: Sequence[Entry], beginning: str) -> Plain:
    """Return the mean score of English entries less that of those with a variant that are else the same.

    As many translated examples as English has are a subset of all translations, so only the English entry is full.
    """
    english = {replace(entry, full=False): entry for entry in entries}
    varied = [e for e in means.entries if any(piece.startswith(beginning) for piece in e.variant.split(", "))]
    alike = [(replace(e, variant=plain_variant(e.variant, (beginning,)), full=False), e) for e in varied]
    pairs = [(english[plain], other) for plain, other in alike if plain in english]
    if not pairs:
        return _ABSENT
    apart = (_apart(means, *pair, target) for pair in pairs for target in means.targets)
    return number(means.over(apart), signed=True)


def _apart(means: Means, entry: Entry, other: Entry, target: str) -> Mean:
    """Return the score of an entry less that of another, counting the members of both."""
    one, rest = (means.score(each, target, means.languages(target)) for each in (entry, other))
    return Mean(one.value - rest.value, math.nan, one.found + rest.found, one.expected + rest.expected)
