"""Variants of an intermediate training beside plain English: does what was added or translated help more?"""

from collections.abc import Iterator
from dataclasses import replace

from xstilts_hpc.results.means import Entry, Means
from xstilts_hpc.results.tables.inference import differences
from xstilts_hpc.results.tables.table import Table
from xstilts_hpc.training import plain_variant


def variants_minus_english(means: Means) -> Table:
    """Return what each variant scores more than plain English of its task, size and schedule, with the same seeds."""
    title = "Variants minus plain English of the same task, size and schedule, percentage points"
    return differences(means, list(_pairs(means)), "difference", title, "variant_minus_english")


def _pairs(means: Means) -> Iterator[tuple[Entry, Entry]]:
    """Yield each entry with masked-language modelling or translations and its English one.

    As many translated examples as English has are a subset of all translations, so only the English entry is full.
    """
    english = {replace(entry, full=False): entry for entry in means.entries}
    for entry in means.entries:
        plain = replace(entry, variant=plain_variant(entry.variant), full=False)
        if plain.variant != entry.variant and plain in english:
            yield entry, english[plain]
