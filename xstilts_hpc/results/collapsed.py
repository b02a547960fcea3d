"""Collapsed runs: which they are, and the means without them."""

from dataclasses import replace
from functools import lru_cache

from xstilts_hpc.languages import ENGLISH
from xstilts_hpc.results.means import Entry, Key, Means, entry_of, key_of

# What stands in a column's name where collapsed runs are left out of it.
WITHOUT = "without collapsed"
COLLAPSED_NOTE = (
    f"{WITHOUT}: without runs that predict the same for all or nearly all examples in English, or have logits that are "
    "not finite, and without what followed such an intermediate training; gains without such a baseline too"
)
_COLUMNS = (
    *("intermediate", "size", "full", "variant", "schedule"),
    *("data_seed", "train_seed", "target_seed", "target", "language"),
)


@lru_cache(maxsize=1)  # tables share it, and the means that it has computed
def without_collapsed(means: Means) -> Means | None:
    """Return the means without collapsed runs, None where nothing collapsed."""
    found = collapsed(means)
    return replace(means, left_out=found) if found else None


def collapsed(means: Means) -> frozenset[Key]:
    """Return what collapsed: entries on a target, with their seeds.

    That is where a run is flagged in English (in every language where English is not asked): it predicts the same for
    nearly everything, or has logits that are not finite. So has all that came after an intermediate training that was
    flagged on its own dev sets.
    """
    gone = _gone(means)
    own: dict[tuple[Entry, tuple[int, ...]], list[bool]] = {}
    for cell in means.plan.cells if gone else ():
        if cell.own:
            key = key_of(cell)
            own.setdefault((key[0], key[2][:2]), []).append(key in gone)
    parents = {parent for parent, flags in own.items() if all(flags)}
    after = {key_of(cell) for cell in means.plan.cells if (entry_of(cell), key_of(cell)[2][:2]) in parents}
    return frozenset(gone | after)


def _gone(means: Means) -> set[Key]:
    frame = means.scores.frame
    flagged = frame.loc[frame["flags"] != "", list(_COLUMNS)]
    found: dict[Key, set[str]] = {}
    for *entry, data_seed, train_seed, target_seed, target, language in flagged.itertuples(index=False):
        found.setdefault((Entry(*entry), target, (data_seed, train_seed, target_seed)), set()).add(language)
    return {key for key, codes in found.items() if _decisive(means, key[1]) <= codes}


def _decisive(means: Means, target: str) -> set[str]:
    codes = set(means.languages(target))
    return {ENGLISH} if ENGLISH in codes else codes
