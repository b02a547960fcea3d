"""All figures of a grid, in the order in which they are shown, and as files."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from xstilts_hpc.files import whole_file, write_text
from xstilts_hpc.results.figures.figure import PAGE_INK, Drawn, svg
from xstilts_hpc.results.figures.heat_map import heat_maps
from xstilts_hpc.results.figures.mediation_figure import mediation_figure
from xstilts_hpc.results.figures.multiples import multiples
from xstilts_hpc.results.figures.size_figure import size_figure
from xstilts_hpc.results.means import Means
from xstilts_hpc.results.sizes import shown_targets
from xstilts_hpc.results.tables.language_gains import language_gains
from xstilts_hpc.results.written import remove_others


def figures(means: Means) -> Iterator[Drawn]:
    """Yield the figures of a grid: size curves of the targets' mean and of each target, then the others by target.

    None where the grid has only the baseline.
    """
    if all(entry.baseline for entry in means.entries):
        return
    gains = language_gains(means)
    for target in shown_targets(means):
        yield size_figure(means, target)
    for target in means.targets:
        yield from heat_maps(means, target, gains)
        yield from filter(None, (multiples(means, target), mediation_figure(means, target)))


def write_figures(drawn: Iterable[Drawn], folder: Path) -> tuple[Path, ...]:
    """Write figures as .svg and .pdf into a folder, where no earlier ones stay; return the paths."""
    paths = []
    for one in drawn:
        vector, page = folder / f"{one.name}.svg", folder / f"{one.name}.pdf"
        write_text(vector, svg(one, ink=PAGE_INK) + "\n")
        with whole_file(page) as partial:
            one.figure.savefig(partial, format="pdf", metadata={"CreationDate": None})
        paths += [vector, page]
    remove_others(folder, paths)
    return tuple(paths)
