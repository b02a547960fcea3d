"""What the study claims beside what a grid found: each claim with the number that would confirm or refute it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from xstilts_hpc.results.means import Entry, Mean, Means
from xstilts_hpc.results.tables.footer import is_made_up
from xstilts_hpc.results.tables.study import at_full_size, best_note, best_per_target, single_tasks
from xstilts_hpc.results.tables.table import MISSING, Plain, Shown, Table, footer_of, gains_of, keys_of, number
from xstilts_hpc.tasks import STUDY_TASKS, task_of
from xstilts_hpc.training import MIXTURE

_ABSENT = "not in this grid"


def claims(means: Means, intervals: Table) -> Table:
    """Return each claim of the study with what would confirm or refute it here.

    `intervals` is the table of gains with their tests: a claim counts as significant what that table does.
    """
    full = at_full_size(means)
    found = list(_claims(means, full, intervals)) if full and not is_made_up(means.plan) else []
    rows = tuple((f"claim {number}", *claim) for number, claim in enumerate(found, 1))
    notes = (
        "the claims are those of arXiv 2005.13013, mean gains over the XLM-R baseline in points; here: the mean over "
        "this grid's targets, at full size, of score minus baseline, same target seed; intervals: gain_interval",
        _schedule_note(means, full),
        best_note(means),
    )
    title = "The study's claims beside this grid"
    columns = ("claim", "what the study says", "published", "here", "in this grid it is")
    return Table(title, columns, rows, footer_of(means, means.targets, notes), 2, "claims")


_TASKS = (("SQuAD", "squad_v1", 8.2), ("MNLI", "mnli", 7.5), ("HellaSwag", "hellaswag", 7.0))
# What a gain must have in the table of gains with their tests to count as significant.
_CORRECTED, _SIGNIFICANT = "p (Holm)", 0.05
_RETRIEVAL = ("bucc2018", "tatoeba")


def _schedule_note(means: Means, full: Sequence[Entry]) -> str:
    """Say which schedule the claims are read from, where the grid has several."""
    schedules = {entry.schedule for entry in means.entries if not entry.baseline}
    return f"schedule: {full[0].schedule} alone; the gains have every schedule" if full and len(schedules) > 1 else ""


def _claims(means: Means, full: Sequence[Entry], intervals: Table) -> Iterator[tuple[Plain, ...]]:
    single = single_tasks(means)
    plain = {entry.intermediate: entry for entry in single}
    for title, name, gain in _TASKS:
        entry = plain.get(name)
        yield f"{title} as the intermediate task", f"+{gain}", _mean_gain(means, entry), f"the mean gain after {title}"
    jointly = next((e for e in full if e.intermediate == MIXTURE and _tasks(e) == len(STUDY_TASKS)), None)
    yield "all nine jointly", "+8.7", _mean_gain(means, jointly), "the mean gain after the mixture of nine"
    best = "the mean of the best gain of each target"
    yield "the best intermediate task for each target", "+5.4", _best_gain(means), best
    yield (
        "large gains in sentence retrieval",
        "large",
        _over(means, single, _RETRIEVAL),
        "the mean gain on BUCC, Tatoeba",
    )
    gaining = f"single tasks: gains above 0, of these {_CORRECTED} < {_SIGNIFICANT:g} in {intervals.name}, all"
    yield "TyDiQA gains from many tasks", "many", _gaining(means, single, "tydiqa", intervals), gaining
    yield "XNLI gains from none", "none", _gaining(means, single, "xnli", intervals), gaining
    for words, beginning in (("multilingual MLM mixed in", "MLM"), ("machine-translated training data", "translated")):
        says = f"plain English beats {words}"
        yield says, "English", _against(means, full, beginning), "the mean of English minus it"


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
    alike = [(replace(e, variant=_without(e.variant, beginning), full=False), e) for e in varied]
    pairs = [(english[plain], other) for plain, other in alike if plain in english]
    if not pairs:
        return _ABSENT
    apart = (_apart(means, *pair, target) for pair in pairs for target in means.targets)
    return number(means.over(apart), signed=True)


def _apart(means: Means, entry: Entry, other: Entry, target: str) -> Mean:
    """Return the score of an entry less that of another, counting the members of both."""
    one, rest = (means.score(each, target, means.languages(target)) for each in (entry, other))
    return Mean(one.value - rest.value, math.nan, one.found + rest.found, one.expected + rest.expected)


def _without(variant: str, beginning: str) -> str:
    return ", ".join(piece for piece in variant.split(", ") if not piece.startswith(beginning))
