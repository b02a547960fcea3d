"""The grid that a user names, as it was submitted; apart from the collector, whose imports take half a second."""

import logging
import re
import shlex
import time
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from xstilts_hpc.errors import GridError
from xstilts_hpc.grid import load_grid
from xstilts_hpc.plan import GridFolder, Plan, grid_folder, load_plan
from xstilts_hpc.yaml_file import load_yaml

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class _Named(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    name: str


def find_grid(grid: str | Path, root: str | Path) -> GridFolder:
    """Return the folder of a grid that is given by its name or by its file."""
    text = load_yaml(Path(grid), _Named, GridError).name if _is_file(grid) else str(grid)
    if not _NAME.fullmatch(text):
        raise GridError(f"{text!r} is no name of a grid; give the `name:` that stands in its file, or the file's path")
    return grid_folder(Path(root), text)


def find_submitted(grid: str | Path, root: str | Path) -> tuple[GridFolder, Plan]:
    """Return the folder and the plan of a grid that was submitted; warn where its file says something else by now."""
    folder = find_grid(grid, root)
    plan = load_plan(folder.plan)
    if _is_file(grid) and plan.asked not in ("", _asked(Path(grid))):
        when = time.strftime("%Y-%m-%d", time.gmtime(folder.plan.stat().st_mtime))
        _warn(str(grid), when)
    return folder, plan


def _is_file(grid: str | Path) -> bool:
    return str(grid).endswith((".yaml", ".yml")) or "/" in str(grid)


def _asked(path: Path) -> str:
    try:
        return load_grid(path).digest
    except GridError:
        return "no grid any more"


@cache
def _warn(path: str, when: str) -> None:
    """Say it once, however often a command looks."""
    logger.warning(
        "%s was changed since it was submitted (%s); this answers for what was submitted: "
        "`xstilts submit %s --profile PROFILE` takes the change up",
        path,
        when,
        shlex.quote(path),
    )
