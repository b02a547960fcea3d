"""Commands that show what goes on; none changes anything."""

import gc
import json
from typing import TYPE_CHECKING, Annotated

import typer

from xstilts_hpc.commands.options import EXPERIMENTS, AsJson, GridName, Root, RunId, console, submitted_plan
from xstilts_hpc.next_command import within

if TYPE_CHECKING:
    from rich.console import RenderableType

By = Annotated[list[str], typer.Option("--by", help="An axis of the grid to count by; may be given again.")]
Watch = Annotated[bool, typer.Option("--watch", help="Show it again and again; q or Ctrl-C ends.")]
Every = Annotated[float, typer.Option("--every", min=1.0, help="Seconds between two looks of --watch.")]


def status(
    grid: GridName,
    root: Root = EXPERIMENTS,
    by: By = ["intermediate"],  # noqa: B006 (typer reads it, nobody changes it)
    watch: Watch = False,
    every: Every = 30.0,
    as_json: AsJson = False,
) -> None:
    """Show where a grid's runs stand, what is left, what failed and why, and suspicious nodes. Changes nothing.

    Example: xstilts status size_sweep --by intermediate --by size
    """
    from xstilts_hpc.cluster.axes import check_axes
    from xstilts_hpc.cluster.overview import overview
    from xstilts_hpc.cluster.watch import watch as show_again

    axes = check_axes(by)
    if not watch:
        gc.disable()  # of 10,000 runs a plan has so many parts that looking for cycles takes a third of the time

    def show() -> tuple["RenderableType", bool]:
        found = overview(submitted_plan(grid, root), root, axes)
        return found.render(), found.is_over

    if as_json:
        typer.echo(json.dumps(overview(submitted_plan(grid, root), root, axes).to_json(), indent=1))
    elif watch:
        show_again(show, console(), every_s=every)
    else:
        console().print(show()[0])


def why(run_id: RunId, root: Root = EXPERIMENTS, as_json: AsJson = False) -> None:
    """Tell the history of one run: its attempts, why it stands where it stands, and what happens next.

    Example: xstilts why xnli_full_s0
    """
    from dataclasses import asdict

    from xstilts_hpc.cluster.explain import explain
    from xstilts_hpc.one_run import find_run

    found = explain(find_run(run_id, root, None), root)
    typer.echo(json.dumps(asdict(found), indent=1) if as_json else "\n".join(found.lines()))


def logs(
    run_id: RunId,
    root: Root = EXPERIMENTS,
    on: Annotated[bool, typer.Option("-f", help="Follow it.")] = False,
    rank: Annotated[int, typer.Option("--rank", min=0, help="The process whose log it is.")] = 0,
) -> None:
    """Print the log of one run, by the run's name; with -f go on until the run has ended.

    Example: xstilts logs xnli_full_s0 -f
    """
    from xstilts_hpc.cluster.logs import follow, log_of
    from xstilts_hpc.one_run import find_run

    found = find_run(run_id, root, None)
    log = log_of(found, root, rank)
    if log.is_file() and not log.stat().st_size:
        typer.echo(within(f"{log} is empty so far; `xstilts why {found}` says where the run stands", root), err=True)
    follow(found, root, on=on, write=lambda text: typer.echo(text, nl=False), rank=rank)
