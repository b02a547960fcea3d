"""Tables of groups of languages: English against the rest, in XLM-R's training data or not, by family, by script."""

from collections.abc import Iterator, Mapping, Sequence

from xstilts_hpc.languages import ENGLISH, LANGUAGES
from xstilts_hpc.results.means import Entry, Means
from xstilts_hpc.results.tables.table import Plain, Table, footer_of, key_columns, keys_of, number
from xstilts_hpc.tasks import task_of

_KINDS = ("family", "script")
_FEWEST_GROUPS = 2


def language_groups(means: Means) -> Iterator[Table]:
    """Yield the transfer gap, then zero-shot scores and gains by family and by script where there are several."""
    yield transfer_gap(means)
    for kind in _KINDS:
        yield by_kind(means, kind)
        yield by_kind(means, kind, gains=True)


def transfer_gap(means: Means) -> Table:
    """Return English beside the other languages, those of XLM-R's training data and those that it lacks."""
    asked = {code for target in means.targets for code in means.zero_shot(target)}
    absent = sorted(code for code in asked if not LANGUAGES[code].in_xlmr)
    rows = tuple(
        (*keys_of(means, entry), task_of(target).title, *_gap_cells(means, entry, target, bool(absent)))
        for entry, target in _asked(means)
        if ENGLISH in means.languages(target) and means.zero_shot(target)
    )
    columns = ("English", "zero-shot", "gap", "change of gap", *(("in XLM-R", "not in XLM-R") if absent else ()))
    notes = (
        "zero-shot: mean over the languages without English; gap: English minus zero-shot; change of gap: the gap "
        "minus the baseline's, same target seed: below zero, other languages gained more than English",
        "in XLM-R: mean over the languages of XLM-R's training data without English; not in XLM-R: over "
        + " ".join(absent)
        if absent
        else "",
    )
    return _table(means, "Transfer gap, percentage points", columns, rows, notes, "transfer_gap")


def _gap_cells(means: Means, entry: Entry, target: str, by_xlmr: bool) -> Iterator[Plain]:
    codes = means.zero_shot(target)
    yield number(means.score(entry, target, (ENGLISH,)))
    yield number(means.score(entry, target, codes))
    yield number(means.gap(entry, target))
    yield "" if entry.baseline else number(means.gap(entry, target, minus_baseline=True), signed=True)
    for known in (True, False) if by_xlmr else ():
        group = tuple(code for code in codes if LANGUAGES[code].in_xlmr == known)
        yield number(means.score(entry, target, group)) if group else ""


def by_kind(means: Means, kind: str, *, gains: bool = False) -> Table:
    """Return the zero-shot scores, or their gains over the baseline, by `family` or `script` of the language."""
    groups = {target: _groups(means, target, kind) for target in means.targets}
    names = sorted({name for found in groups.values() for name in found})
    rows = tuple(
        (*keys_of(means, entry), task_of(target).title, *_cells(means, entry, target, groups[target], names, gains))
        for entry, target in _asked(means)
        if groups[target] and not (gains and entry.baseline)
    )
    members = {name: dict.fromkeys(code for found in groups.values() for code in found.get(name, ())) for name in names}
    notes = ("; ".join(f"{name}: {' '.join(codes)}" for name, codes in members.items()), "English is in no group")
    what = "Gain over the baseline, percentage points" if gains else "Zero-shot score, per cent"
    name = f"{'gain_' if gains else ''}by_{kind}"
    return _table(means, f"{what}, by {kind}", names, rows if len(names) >= _FEWEST_GROUPS else (), notes, name)


def _cells(
    means: Means, entry: Entry, target: str, groups: Mapping[str, Sequence[str]], names: Sequence[str], gains: bool
) -> Iterator[Plain]:
    mean = means.gain if gains else means.score
    for name in names:
        yield number(mean(entry, target, groups[name]), signed=gains) if name in groups else ""


def _groups(means: Means, target: str, kind: str) -> dict[str, tuple[str, ...]]:
    """Return the languages of a target without English by their family or script."""
    found: dict[str, tuple[str, ...]] = {}
    for code in means.zero_shot(target):
        name = getattr(LANGUAGES[code], kind)
        found[name] = (*found.get(name, ()), code)
    return found


def _asked(means: Means) -> Iterator[tuple[Entry, str]]:
    for target in means.targets:
        for entry in means.entries:
            if means.seeds(entry, target):
                yield entry, target


def _table(
    means: Means,
    title: str,
    columns: Sequence[str],
    rows: tuple[tuple[Plain, ...], ...],
    notes: Sequence[str],
    name: str,
) -> Table:
    keys = (*key_columns(means), "target")
    return Table(title, (*keys, *columns), rows, footer_of(means, means.targets, notes), len(keys), name)
