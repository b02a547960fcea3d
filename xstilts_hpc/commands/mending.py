"""Commands that take runs out of the queue, or put them right."""

from typing import Annotated

import typer

from xstilts_hpc.commands.options import EXPERIMENTS, DryRun, GridName, Root, say_next, submitted_plan


def cancel(
    grid: GridName,
    root: Root = EXPERIMENTS,
    now: Annotated[bool, typer.Option("--now", help="Kill running elements instead of letting them save.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Take a grid out of Slurm: pending runs at once, running ones after they have saved a checkpoint.

    Example: xstilts cancel size_sweep
    """
    from xstilts_hpc.cluster.cancel import cancel as take_out

    found = take_out(submitted_plan(grid, root), root, now=now, dry_run=dry_run)
    typer.echo(f"would do: {found}" if dry_run else str(found))
    say_next(f"xstilts status {grid}", root)
