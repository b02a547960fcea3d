"""What the shell may complete a word to: names on disk; it must answer at once, so nothing heavy is imported."""

from collections.abc import Iterator
from pathlib import Path

import typer


def grid_files(incomplete: str) -> list[str]:
    """Return the YAML files and folders that a path may become."""
    return sorted(_yaml_files(incomplete))


def grid_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the submitted grids whose name begins so, then files."""
    names = (path.parent.name for path in _root(ctx).glob("grids/*/plan.json"))
    return [*sorted(name for name in names if name.startswith(incomplete)), *grid_files(incomplete)]


def run_ids(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the runs under the root whose id begins so."""
    return sorted(path.name for path in (_root(ctx) / "runs").glob(f"{_plain(incomplete)}*") if path.is_dir())


def profiles(incomplete: str) -> list[str]:
    """Return the profiles whose name begins so."""
    from xstilts_hpc.cluster.profile import profile_names

    return [name for name in profile_names() if name.startswith(incomplete)]


def task_names(incomplete: str) -> list[str]:
    """Return the tasks whose name begins so."""
    from xstilts_hpc.tasks import TASKS

    return [name for name in TASKS if name.startswith(incomplete)]


def _root(ctx: typer.Context) -> Path:
    return Path(ctx.params.get("root") or "experiments")


def _yaml_files(incomplete: str) -> Iterator[str]:
    folder, _, beginning = incomplete.rpartition("/")
    for path in Path(folder or ("/" if incomplete.startswith("/") else ".")).glob(f"{_plain(beginning)}*"):
        if path.is_dir() and not path.name.startswith("."):
            yield f"{path}/"
        elif path.suffix in (".yaml", ".yml"):
            yield str(path)


def _plain(text: str) -> str:
    """Return a beginning that glob takes for itself."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in text)
