"""What commands share: their options, and how they print."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xstilts_hpc.commands import completion
from xstilts_hpc.next_command import DATA, for_folders
from xstilts_hpc.next_command import EXPERIMENTS as EXPERIMENTS

# Heavy packages are imported inside the commands that need them: `xstilts --help` must answer at once.
if TYPE_CHECKING:
    from rich.console import Console

    from xstilts_hpc.cluster.profile import Profile
    from xstilts_hpc.cluster.succession import Terms
    from xstilts_hpc.plan import Plan

GridPath = Annotated[Path, typer.Argument(help="The grid file.", metavar="GRID", autocompletion=completion.grid_files)]
GridName = Annotated[
    str,
    typer.Argument(
        help="A grid file, or the name of a grid that was submitted.",
        metavar="GRID",
        autocompletion=completion.grid_names,
    ),
]
RunId = Annotated[
    str,
    typer.Argument(metavar="RUN", help="A run id, or its unique beginning.", autocompletion=completion.run_ids),
]
Root = Annotated[Path, typer.Option("--root", help="The folder of runs, data and results.")]
ProfileName = Annotated[
    str,
    typer.Option(
        "--profile",
        "-p",
        help="A profile of slurm/profiles, or a profile file.",
        autocompletion=completion.profiles,
    ),
]
TaskNames = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TASK]...", help="Tasks; all if none is named.", autocompletion=completion.task_names),
]
DataPath = Annotated[Path | None, typer.Option("--data", help="The data folder, if it is not ROOT/data.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]
Partial = Annotated[bool, typer.Option("--allow-partial", help="Accept missing cells: exit 0, averages marked n=k/N.")]
Replace = Annotated[
    bool, typer.Option("--replace", help="Let it take the place of a grid of its name that has other runs.")
]


def data_of(root: Path, data: Path | None) -> Path:
    """Return the data folder: that of the root, unless another one is named."""
    return root / DATA if data is None else data


def expand_grid(grid: Path, root: Path, *, published: bool = False) -> "Plan":
    """Read a grid file and return its plan, by the data under the root or by the published sizes.

    Readers that reach for the network are refused here already: the runs would refuse them on the nodes.
    """
    from xstilts_hpc.expand import expand
    from xstilts_hpc.grid import load_grid
    from xstilts_hpc.train.network import cluster_only

    with cluster_only():
        return expand(load_grid(grid), root=root, published=published)


def submitted_plan(grid: str, root: Path) -> "Plan":
    """Return the plan of a grid that was submitted."""
    from xstilts_hpc.results.named import find_submitted

    return find_submitted(grid, root)[1]


def run_here(plan: "Plan", root: Path, profile: "Profile", terms: "Terms") -> int:
    """Do a plan's undone runs on this machine, with their progress on the terminal; return the exit code."""
    from xstilts_hpc.cluster.local import run_local
    from xstilts_hpc.cluster.local_progress import LocalProgress

    return run_local(plan, root, profile, progress=LocalProgress(console()), terms=terms)


def console() -> "Console":
    """Return the console that tables are printed on."""
    from rich.console import Console

    return Console()


def print_value(value: Any, table: Callable[[], Any], *, as_json: bool) -> None:
    """Print a value as JSON or as a table."""
    if as_json:
        typer.echo(json.dumps(value, indent=1))
    else:
        console().print(table())


def say_next(command: str, root: Path, data: Path | None = None) -> None:
    """Print the next useful command, for the same root and data folder."""
    typer.echo(f"next: {for_folders(command, root, data)}")
