"""What the study claims beside what a grid found: each claim with the number that would confirm or refute it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from xstilts_hpc.results.means import Entry, Mean, Means
from xstilts_hpc.results.tables.footer import is_made_up
from xstilts_hpc.results.tables.study import at_full_size, best_note, best_per_target, single_tasks
from xstilts_hpc.results.tables.table import MISSING, Plain, Table, footer_of, gains_of, number
from xstilts_hpc.tasks import STUDY_TASKS
from xstilts_hpc.training import MIXTURE

_ABSENT = "not in this grid"


def claims(means: Means) -> Table:
    """Return each claim of the study with what would confirm or refute it here."""
    full = at_full_size(means)
    found = list(_claims(means, full)) if full and not is_made_up(means.plan) else []
    rows = tuple((f"claim {number}", *claim) for number, claim in enumerate(found, 1))
    notes = (
        "the claims are those of arXiv 2005.13013, mean gains over the XLM-R baseline in points; here: the mean over "
        "this grid's targets, at full size, of score minus baseline, same target seed; for intervals see the gains",
        _schedule_note(means, full),
        best_note(means),
    )
    title = "The study's claims beside this grid"
    columns = ("claim", "what the study says", "published", "here", "in this grid it is")
    return Table(title, columns, rows, footer_of(means, means.targets, notes), 2, "claims")


_TASKS = (("SQuAD", "squad_v1", 8.2), ("MNLI", "mnli", 7.5), ("HellaSwag", "hellaswag", 7.0))
_RETRIEVAL = ("bucc2018", "tatoeba")


def _schedule_note(means: Means, full: Sequence[Entry]) -> str:
    """Say which schedule the claims are read from, where the grid has several."""
    schedules = {entry.schedule for entry in means.entries if not entry.baseline}
    return f"schedule: {full[0].schedule} alone; the gains have every schedule" if full and len(schedules) > 1 else ""


def _claims(means: Means, full: Sequence[Entry]) -> Iterator[tuple[Plain, ...]]:
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
    yield "TyDiQA gains from many tasks", "many", _gaining(means, single, "tydiqa"), "tasks with a gain"
    yield "XNLI gains from none", "none", _gaining(means, single, "xnli"), "tasks with a gain"
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


def _gaining(means: Means, entries: Sequence[Entry], target: str) -> Plain:
    if not entries or target not in means.targets:
        return _ABSENT
    gains = _gains(means, entries, target)
    if any(math.isnan(gain.value) for gain in gains):
        return MISSING
    return f"{sum(gain.value > 0 for gain in gains)} of {len(gains)}{number(means.over(gains)).members}"


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
