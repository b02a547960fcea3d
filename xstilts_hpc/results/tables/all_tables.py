"""All tables of a grid, in the order in which they are written and shown."""

from xstilts_hpc.results.means import Means
from xstilts_hpc.results.tables.claims import claims
from xstilts_hpc.results.tables.inference import gain_intervals, size_curves
from xstilts_hpc.results.tables.language_gains import gains_by_language
from xstilts_hpc.results.tables.language_groups import language_groups
from xstilts_hpc.results.tables.mediation import intermediate, mediation
from xstilts_hpc.results.tables.published import beside_published, beside_published_languages
from xstilts_hpc.results.tables.recipes import recipes
from xstilts_hpc.results.tables.table import Table, by_group, by_language, by_task, gains
from xstilts_hpc.results.tables.variants import variants_minus_english


def tables(means: Means) -> tuple[Table, ...]:
    """Return the tables of a grid that have rows."""
    intervals = gain_intervals(means)
    found = (
        *(by_task(means), by_group(means), *by_language(means), gains(means), intervals),
        variants_minus_english(means),
        *(gains_by_language(means), size_curves(means), *language_groups(means), intermediate(means), mediation(means)),
        *(claims(means, intervals), beside_published(means), *beside_published_languages(means), recipes(means)),
    )
    return tuple(table for table in found if table.rows)
