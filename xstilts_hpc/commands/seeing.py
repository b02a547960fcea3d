"""Commands that show what goes on; none changes anything."""

import json
from typing import Annotated

import typer

from xstilts_hpc.commands.options import EXPERIMENTS, AsJson, GridName, Root, RunId, print_value, submitted_plan


def status(grid: GridName, root: Root = EXPERIMENTS, as_json: AsJson = False) -> None:
    """Show the states of a grid's runs, stage by state. Changes nothing.

    Example: xstilts status size_sweep
    """
    from xstilts_hpc.cluster.status import states, status_table

    planned = submitted_plan(grid, root)
    found = states(planned, root)
    print_value(
        {run_id: str(state) for run_id, state in found.items()}, lambda: status_table(planned, found), as_json=as_json
    )


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
    run_id: RunId, root: Root = EXPERIMENTS, on: Annotated[bool, typer.Option("-f", help="Follow it.")] = False
) -> None:
    """Print the log of one run, by the run's name; with -f go on until the run has ended.

    Example: xstilts logs xnli_full_s0 -f
    """
    from xstilts_hpc.cluster.explain import follow
    from xstilts_hpc.one_run import find_run

    follow(find_run(run_id, root, None), root, on=on, write=lambda text: typer.echo(text, nl=False))
