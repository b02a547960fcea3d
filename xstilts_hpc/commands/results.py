"""Commands that turn logits into tables."""

from pathlib import Path
from typing import Annotated

import typer

from xstilts_hpc.commands.options import EXPERIMENTS, GridName, Partial, Root, console


def collect(grid: GridName, root: Root = EXPERIMENTS, allow_partial: Partial = False) -> None:
    """Compute scores and tables from the logits of a grid's runs; needs neither torch nor the data.

    Example: xstilts collect size_sweep --allow-partial
    """
    from xstilts_hpc.cluster.status import states
    from xstilts_hpc.results.report import collect_and_write

    collect_and_write(grid, root, allow_partial=allow_partial, console=console(), processes=0, states=states)


def report(grid: GridName, root: Root = EXPERIMENTS) -> None:
    """Write tables, figures and report.html of what is finished so far.

    Example: xstilts report size_sweep
    """
    from xstilts_hpc.cluster.status import states
    from xstilts_hpc.results.report import collect_and_write

    collect_and_write(grid, root, allow_partial=True, console=console(), processes=0, states=states)


def export(
    grid: GridName,
    xtreme: Annotated[Path, typer.Option("--xtreme", help="Where to write: a folder per training and set of seeds.")],
    root: Root = EXPERIMENTS,
    only: Annotated[str, typer.Option(help="Export only folders of these names, such as 'mnli_full*'.")] = "*",
    allow_partial: Partial = False,
) -> None:
    """Write predictions and labels in the layout that XTREME's official evaluate.py reads, from the logits alone.

    Example: xstilts export size_sweep --xtreme exported
    """
    from xstilts_hpc.results.export import export as write

    written = write(grid, root, xtreme, only=only, allow_partial=allow_partial)
    for path in written:
        typer.echo(f"wrote {path}")
    typer.echo(f"next: read {written[0] / 'README.txt'}: how to score it with the official script")
