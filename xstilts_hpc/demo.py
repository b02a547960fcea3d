"""The embedded default: the miniature world, its grid, and everything up to the report."""

from importlib import resources
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from xstilts_hpc.cluster.local import run_local
from xstilts_hpc.cluster.local_progress import LocalProgress
from xstilts_hpc.cluster.profile import load_profile
from xstilts_hpc.cluster.succession import Terms
from xstilts_hpc.errors import RunError
from xstilts_hpc.expand import expand
from xstilts_hpc.grid import load_grid
from xstilts_hpc.results.report import collect_and_write


def run_demo(root: Path, console: Console, *, slots: int) -> int:
    """Build the miniature world, run its grid on this machine, print the tables; return the exit code."""
    _build_world(root, console)
    with resources.as_file(resources.files("xstilts_hpc.miniature") / "demo.yaml") as path:
        plan = expand(load_grid(path), root=root)
    profile = load_profile("local")
    if slots:
        profile = profile.model_copy(update={"slots": slots})
    # of another version the demonstration may have other runs
    code = run_local(plan, root, profile, progress=LocalProgress(console), terms=Terms(replace=True))
    if code:
        raise RunError(
            "the demonstration did not finish; the same command goes on, and the logs of its runs are in "
            f"{root / 'runs'}/*/log.txt"
        )
    collect_and_write(plan.name, root, console=console)
    return code


def _build_world(root: Path, console: Console) -> None:
    from xstilts_hpc.miniature.build import build

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task("making the miniature world", total=1.0)
        build(
            root / "miniature",
            progress=lambda text, done: bars.update(bar, description=text, completed=done),
            threads=1,  # more would give other weights, and gain little on matrices this small
        )
