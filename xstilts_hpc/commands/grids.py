"""Commands that take a grid from file to runs."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xstilts_hpc.commands.options import (
    EXPERIMENTS,
    AsJson,
    DataPath,
    DryRun,
    GridPath,
    ProfileName,
    Replace,
    Root,
    RunId,
    console,
    data_of,
    expand_grid,
    print_value,
    run_here,
    say_next,
)
from xstilts_hpc.errors import IncompleteError
from xstilts_hpc.next_command import DATA

if TYPE_CHECKING:
    from xstilts_hpc.plan import Plan


def demo(
    root: Root = EXPERIMENTS, slots: Annotated[int, typer.Option(help="Runs side by side; 0 = one per core.")] = 0
) -> None:
    """Run the whole pipeline on a made-up miniature world: grid to accuracy table, in minutes.

    Example: xstilts demo
    """
    from xstilts_hpc.demo import run_demo
    from xstilts_hpc.packages import require_training_packages

    require_training_packages()
    raise typer.Exit(run_demo(root, console(), slots=slots))


def tasks(root: Root = EXPERIMENTS, data: DataPath = None, as_json: AsJson = False) -> None:
    """List the tasks, those of other packages too: kind, role, languages, metric, and whether their data are here.

    Example: xstilts tasks --data experiments/data
    """
    from xstilts_hpc.listing import task_rows, task_table, usable_plugins

    rows = task_rows(data_of(root, data))
    print_value(rows, lambda: task_table(rows), as_json=as_json)
    _, problems = usable_plugins()
    if problems:
        raise IncompleteError("\nerror: ".join(problems))


def plan(
    grid: GridPath,
    root: Root = EXPERIMENTS,
    runs: Annotated[bool, typer.Option("--runs", help="List every run.")] = False,
    profile: ProfileName = "",
    published: Annotated[
        bool, typer.Option("--published", help="By the sizes that the publishers state: needs neither data nor model.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a grid needs: cells, runs, arrays, what is done, what is excluded and why, GPU-hours and bytes.

    With a profile the elements are those it would get: packs and time limits from the runs that finished under it; and
    where it says gpu_memory_gb, the ZeRO stage, micro-batch and checkpointing that fit.

    Example: xstilts plan grids/size_sweep.yaml
    """
    from xstilts_hpc.cluster.packing import Shape
    from xstilts_hpc.cluster.profile import load_profile
    from xstilts_hpc.listing import plan_json, print_plan, shape_of
    from xstilts_hpc.memory_advice import memory_advice

    expanded = expand_grid(grid, root, published=published)
    loaded = [load_profile(profile)] if profile else []
    shape = shape_of(expanded, root, loaded[0]) if loaded else Shape()
    advice = [line for found in loaded for line in memory_advice(expanded, root, found)]
    if as_json:
        typer.echo(json.dumps({**plan_json(expanded, root, shape), "memory": advice}, indent=1))
    else:
        print_plan(expanded, root, console(), runs=runs, shape=shape)
        if published:
            typer.echo("by the sizes that the publishers state: with the data here, the runs have other ids")
        console().print("\n".join(advice), end="\n" if advice else "", soft_wrap=True, highlight=False)
        where = profile or ("PROFILE" if published else "local")  # a study's grid is not for a login node
        for command in _to_fetch(expanded, root):
            say_next(command, root if command.startswith("xstilts data") else EXPERIMENTS)
        _say_next_of(grid, root, where, complete=len(expanded.done(root)) == len(expanded.runs))


def submit(
    grid: GridPath, profile: ProfileName, root: Root = EXPERIMENTS, dry_run: DryRun = False, replace: Replace = False
) -> None:
    """Hand over the runs that are not done: to Slurm as arrays, or with a local profile run them here.

    A grid may be edited and submitted again: what it adds is done. Where runs would no longer be in it, --replace
    says that this is meant.

    Example: xstilts submit grids/size_sweep.yaml --profile local
    """
    from xstilts_hpc.cluster.profile import load_profile
    from xstilts_hpc.cluster.succession import Terms, check_succession
    from xstilts_hpc.model_files import require_model
    from xstilts_hpc.packages import require_training_packages

    loaded = load_profile(profile)
    if not (dry_run or loaded.brings_packages):
        require_training_packages()
    expanded = expand_grid(grid, root)
    terms = Terms(replace=replace)
    require_model(next(iter(expanded.runs.values())).run.model)
    if loaded.kind == "slurm":
        from xstilts_hpc.cluster.submit import submit as hand_over
        from xstilts_hpc.listing import print_submission

        submission = hand_over(expanded, root, loaded, dry_run=dry_run, terms=terms)
        print_submission(submission, console(), dry_run=dry_run)
        say_next(f"xstilts status {shlex.quote(str(grid))}", root)
    elif dry_run:
        check_succession(expanded, root, terms)
        todo = len(expanded.runs) - len(expanded.done(root))
        typer.echo(f"would run {todo} of {len(expanded.runs)} runs here")
    else:
        from xstilts_hpc.listing import progress_of

        code = run_here(expanded, root, loaded, terms)
        done = expanded.done(root)
        typer.echo(progress_of(expanded, done))
        _say_next_of(grid, root, profile, complete=len(done) == len(expanded.runs))
        raise typer.Exit(code)


def _to_fetch(plan: "Plan", root: Path) -> "Iterator[str]":
    """Yield the commands that get what the runs of a plan need and is not here: data in ROOT/data, a model of the hub.

    A plan by published sizes is made without them.
    """
    from xstilts_hpc.errors import ModelError
    from xstilts_hpc.listing import tasks_without_files
    from xstilts_hpc.model_files import require_model

    if plan.data == DATA and (tasks := tasks_without_files(plan, root / DATA)):
        yield f"xstilts data fetch {' '.join(tasks)}"
    model = next(iter(plan.runs.values())).run.model
    try:
        require_model(model)
    except ModelError:
        yield f"xstilts model fetch {model.id} --revision {model.revision}"


def _say_next_of(grid: Path, root: Path, profile: str, *, complete: bool) -> None:
    """Print what to do with a grid next: submit it, until all its runs are done."""
    again = f"xstilts submit {shlex.quote(str(grid))} --profile {shlex.quote(profile)}"
    say_next(f"xstilts collect {shlex.quote(str(grid))}" if complete else again, root)


def run(
    run_id: RunId,
    grid: Annotated[
        Path | None, typer.Option("--grid", help="The grid of the run, if it was not submitted yet.")
    ] = None,
    profile: ProfileName = "local",
    root: Root = EXPERIMENTS,
    debug: Annotated[bool, typer.Option("--debug", help="Open pdb where it fails.")] = False,
) -> None:
    """Execute one run in this shell, in this process: for debugging, salloc, or a workstation.

    Example: xstilts run xnli_full_s0 --grid grids/size_sweep.yaml --debug
    """
    from xstilts_hpc.cluster.profile import load_profile
    from xstilts_hpc.one_run import execute_here, find_run
    from xstilts_hpc.packages import require_training_packages

    require_training_packages()
    found = find_run(run_id, root, expand_grid(grid, root) if grid else None)
    execute_here(found, root, load_profile(profile).machine(), debug=debug)
    typer.echo(f"run {found} is done: {root / 'runs' / found}")
