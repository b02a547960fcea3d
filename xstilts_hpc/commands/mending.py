"""Commands that take runs out of the queue, or put them right."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xstilts_hpc.commands.options import (
    EXPERIMENTS,
    DryRun,
    GridName,
    Root,
    console,
    run_here,
    say_next,
    submitted_plan,
)

if TYPE_CHECKING:
    from xstilts_hpc.cluster.profile import Profile
    from xstilts_hpc.plan import Plan


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
    say_next(f"xstilts status {shlex.quote(str(grid))}", root)


def retry(
    grid: GridName,
    cause: Annotated[list[str], typer.Option("--cause", help="How the runs ended; may be given again.")] = [],  # noqa: B006
    profile: Annotated[str, typer.Option("--profile", "-p", help="Default: that of the latest submission.")] = "",
    root: Root = EXPERIMENTS,
    dry_run: DryRun = False,
) -> None:
    """Hand over again the runs that failed, or whose last attempt ended so, and the runs that wait for them.

    Example: xstilts retry size_sweep --cause out_of_memory --profile large
    """
    from xstilts_hpc.cluster.retry import check_causes, profile_for, to_retry
    from xstilts_hpc.cluster.status import look
    from xstilts_hpc.packages import require_training_packages

    causes, planned = check_causes(cause), submitted_plan(grid, root)
    view = look(planned, root)
    chosen = to_retry(view, causes)
    if not chosen:
        typer.echo("nothing to retry: " + (f"no run ended as {' or '.join(causes)}" if causes else "no run failed"))
        say_next(f"xstilts status {shlex.quote(str(grid))}", root)
        return
    chosen_profile = profile_for(view, profile)
    if not (dry_run or chosen_profile.brings_packages):
        require_training_packages()
    code = _hand_over(planned, root, chosen_profile, only=chosen, dry_run=dry_run)
    say_next(f"xstilts status {shlex.quote(str(grid))}", root)
    raise typer.Exit(code)


def _hand_over(planned: "Plan", root: Path, profile: "Profile", *, only: set[str], dry_run: bool) -> int:
    """Submit some runs of a plan, or run them here where the profile is local; return the exit code."""
    from xstilts_hpc.cluster.succession import Terms

    terms = Terms(only=only)
    if profile.kind == "slurm":
        from xstilts_hpc.cluster.submit import submit
        from xstilts_hpc.listing import print_submission

        print_submission(submit(planned, root, profile, terms=terms, dry_run=dry_run), console(), dry_run=dry_run)
        return 0
    if dry_run:
        typer.echo(f"would run {len(only)} of {len(planned.runs)} runs here")
        return 0
    return run_here(planned, root, profile, terms)
