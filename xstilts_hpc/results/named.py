"""The folder of a grid that a user names; apart from the collector, whose imports take half a second."""

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from xstilts_hpc.errors import GridError
from xstilts_hpc.plan import GridFolder, grid_folder
from xstilts_hpc.yaml_file import load_yaml

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class _Named(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    name: str


def find_grid(grid: str | Path, root: str | Path) -> GridFolder:
    """Return the folder of a grid that is given by its name or by its file."""
    text = str(grid)
    if text.endswith((".yaml", ".yml")) or "/" in text:
        text = load_yaml(Path(grid), _Named, GridError).name
    if not _NAME.fullmatch(text):
        raise GridError(f"{text!r} is no name of a grid; give the `name:` that stands in its file, or the file's path")
    return grid_folder(Path(root), text)
