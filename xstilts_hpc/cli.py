"""The command line: every command prints what it did and the next useful command."""

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xstilts_hpc.errors import XstiltsError

# Heavy packages are imported inside the commands that need them: `xstilts --help` must answer at once.
if TYPE_CHECKING:
    from rich.console import Console

    from xstilts_hpc.plan import Plan

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Study how English intermediate training transfers across languages, on a Slurm cluster or this machine.",
)

GridPath = Annotated[Path, typer.Argument(help="The grid file.", metavar="GRID")]
GridName = Annotated[str, typer.Argument(help="A grid file, or the name of a grid that was submitted.", metavar="GRID")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run id, or its unique beginning.")]
Root = Annotated[Path, typer.Option("--root", help="The folder of runs, data and results.")]
ProfileName = Annotated[str, typer.Option("--profile", "-p", help="A profile of slurm/profiles, or a profile file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]
Partial = Annotated[bool, typer.Option("--allow-partial", help="Accept missing cells: exit 0, averages marked n=k/N.")]

EXPERIMENTS = Path("experiments")


def main() -> None:
    """Run the command line; an error a user can cause is one message and its exit code, without a traceback."""
    try:
        app()
    except XstiltsError as error:
        _say_error(str(error))
        sys.exit(error.exit_code)


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from xstilts_hpc import __version__

        typer.echo(f"xstilts {__version__}")
        raise typer.Exit


@app.command()
def demo(
    root: Root = EXPERIMENTS, slots: Annotated[int, typer.Option(help="Runs side by side; 0 = one per core.")] = 0
) -> None:
    """Run the whole pipeline on a made-up miniature world: grid to accuracy table, in minutes.

    Example: xstilts demo
    """
    from xstilts_hpc.demo import run_demo

    raise typer.Exit(run_demo(root, _console(), slots=slots))


@app.command()
def tasks(
    root: Root = EXPERIMENTS, data: Annotated[Path, typer.Option(help="Data folder.")] = Path(), as_json: AsJson = False
) -> None:
    """List the tasks: kind, role, languages, metric, and whether their data are here.

    Example: xstilts tasks --data experiments/data
    """
    from xstilts_hpc.listing import task_rows, task_table

    rows = task_rows(data if data != Path() else root / "data")
    _print(rows, lambda: task_table(rows), as_json=as_json)


@app.command()
def plan(
    grid: GridPath,
    root: Root = EXPERIMENTS,
    runs: Annotated[bool, typer.Option("--runs", help="List every run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a grid needs: cells, runs, arrays, what is done, what is excluded and why, GPU-hours and bytes.

    Example: xstilts plan grids/size_sweep.yaml
    """
    from xstilts_hpc.listing import plan_json, print_plan

    expanded = _expand(grid, root)
    if as_json:
        typer.echo(json.dumps(plan_json(expanded, root), indent=1))
    else:
        print_plan(expanded, root, _console(), runs=runs)
        _next(f"xstilts submit {grid} --profile local", root)


@app.command()
def submit(grid: GridPath, profile: ProfileName, root: Root = EXPERIMENTS, dry_run: DryRun = False) -> None:
    """Hand over the runs that are not done: to Slurm as arrays, or with a local profile run them here.

    Example: xstilts submit grids/size_sweep.yaml --profile local
    """
    from xstilts_hpc.cluster.profile import load_profile
    from xstilts_hpc.model_files import require_model

    loaded, expanded = load_profile(profile), _expand(grid, root)
    require_model(next(iter(expanded.runs.values())).run.model)
    if loaded.kind == "slurm":
        from xstilts_hpc.cluster.submit import submit as hand_over
        from xstilts_hpc.listing import print_submission

        print_submission(hand_over(expanded, root, loaded, dry_run=dry_run), _console(), dry_run=dry_run)
        _next(f"xstilts status {grid}", root)
    elif dry_run:
        todo = len(expanded.runs) - len(expanded.done(root))
        typer.echo(f"would run {todo} of {len(expanded.runs)} runs here")
    else:
        from xstilts_hpc.cluster.local import run_local
        from xstilts_hpc.cluster.local_progress import LocalProgress

        code = run_local(expanded, root, loaded, progress=LocalProgress(_console()))
        _next(f"xstilts collect {grid}", root)
        raise typer.Exit(code)


@app.command()
def status(grid: GridName, root: Root = EXPERIMENTS, as_json: AsJson = False) -> None:
    """Show the states of a grid's runs, stage by state. Changes nothing.

    Example: xstilts status size_sweep
    """
    from xstilts_hpc.cluster.status import states, status_table

    planned = _submitted_plan(grid, root)
    found = states(planned, root)
    _print(
        {run_id: str(state) for run_id, state in found.items()}, lambda: status_table(planned, found), as_json=as_json
    )


@app.command()
def why(run_id: RunId, root: Root = EXPERIMENTS, as_json: AsJson = False) -> None:
    """Tell the history of one run: its attempts, why it stands where it stands, and what happens next.

    Example: xstilts why xnli_full_s0
    """
    from dataclasses import asdict

    from xstilts_hpc.cluster.explain import explain
    from xstilts_hpc.one_run import find_run

    found = explain(find_run(run_id, root, None), root)
    typer.echo(json.dumps(asdict(found), indent=1) if as_json else "\n".join(found.lines()))


@app.command()
def logs(
    run_id: RunId, root: Root = EXPERIMENTS, on: Annotated[bool, typer.Option("-f", help="Follow it.")] = False
) -> None:
    """Print the log of one run, by the run's name; with -f go on until the run has ended.

    Example: xstilts logs xnli_full_s0 -f
    """
    from xstilts_hpc.cluster.explain import follow
    from xstilts_hpc.one_run import find_run

    follow(find_run(run_id, root, None), root, on=on, write=lambda text: typer.echo(text, nl=False))


@app.command()
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

    found = find_run(run_id, root, _expand(grid, root) if grid else None)
    execute_here(found, root, load_profile(profile).machine(), debug=debug)
    typer.echo(f"run {found} is done: {root / 'runs' / found}")


@app.command()
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

    found = take_out(_submitted_plan(grid, root), root, now=now, dry_run=dry_run)
    typer.echo(f"would do: {found}" if dry_run else str(found))
    _next(f"xstilts status {grid}", root)


@app.command()
def collect(grid: GridName, root: Root = EXPERIMENTS, allow_partial: Partial = False) -> None:
    """Compute scores and tables from the logits of a grid's runs; needs neither torch nor the data.

    Example: xstilts collect size_sweep --allow-partial
    """
    from xstilts_hpc.results.report import collect_and_write

    collect_and_write(grid, root, allow_partial=allow_partial, console=_console(), processes=0)


@app.command()
def report(grid: GridName, root: Root = EXPERIMENTS) -> None:
    """Write tables, figures and report.html of what is finished so far.

    Example: xstilts report size_sweep
    """
    from xstilts_hpc.results.report import collect_and_write

    collect_and_write(grid, root, allow_partial=True, console=_console(), processes=0)


@app.command()
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


def _expand(grid: Path, root: Path) -> "Plan":
    from xstilts_hpc.expand import expand
    from xstilts_hpc.grid import load_grid

    return expand(load_grid(grid), root=root)


def _submitted_plan(grid: str, root: Path) -> "Plan":
    from xstilts_hpc.plan import load_plan
    from xstilts_hpc.results.collect import find_grid

    return load_plan(find_grid(grid, root).plan)


def _console() -> "Console":
    from rich.console import Console

    return Console()


def _print(value: Any, table: Callable[[], Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(value, indent=1))
    else:
        _console().print(table())


def _next(command: str, root: Path) -> None:
    typer.echo(f"next: {command}" + ("" if root == EXPERIMENTS else f" --root {shlex.quote(str(root))}"))


def _say_error(message: str) -> None:
    typer.echo(f"error: {message}", err=True)


if __name__ == "__main__":
    main()
