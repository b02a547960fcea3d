"""The command that deletes what is needed no more."""

import json
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xstilts_hpc.commands.options import EXPERIMENTS, AsJson, GridName, Root, console, say_next, submitted_plan

if TYPE_CHECKING:
    from rich.table import Table

    from xstilts_hpc.cluster.clean import Item


def clean(
    grid: GridName,
    root: Root = EXPERIMENTS,
    apply: Annotated[bool, typer.Option("--apply", help="Delete it; without this nothing is changed.")] = False,
    cache: Annotated[
        int, typer.Option("--cache", min=0, help="Encoded data and kept scores too, unused for so many days; 0 = none.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Say what may be deleted, why, and how much: checkpoints, encoders no run starts from any more, leftovers.

    Logits, records and history are never deleted. Example: xstilts clean size_sweep
    """
    from xstilts_hpc.cluster.clean import clean as delete
    from xstilts_hpc.cluster.clean import find

    planned = submitted_plan(grid, root)
    found = (delete if apply else find)(planned, root, cache_days=cache)
    going = [item for item in found if not item.stays]
    if as_json:
        typer.echo(json.dumps({"applied": apply, "items": [_as_json(item) for item in found]}, indent=1))
        return
    if found:
        console().print(_table(found, "deleted" if apply else "may go"))
    size = _size(sum(item.bytes for item in going))
    files = sum(item.files for item in going)
    typer.echo(f"{'deleted' if apply else 'may be deleted'}: {files:,} files, {size}")
    name = shlex.quote(str(grid))
    say_next(f"xstilts status {name}" if apply or not going else f"xstilts clean {name} --apply", root)


def _as_json(item: "Item") -> dict[str, Any]:
    return {**vars(item), "what": str(item.what), "path": str(item.path)}


def _table(found: Sequence["Item"], going: str) -> "Table":
    """Return the table of what goes and what stays, by kind and reason."""
    from rich.table import Table
    from rich.text import Text

    from xstilts_hpc.cluster.clean import totals

    table = Table("", "what", "why")
    for name in ("number", "files", "bytes"):
        table.add_column(name, justify="right")
    for (what, stays, why), (number, files, size) in sorted(totals(found).items(), key=lambda row: row[0][1]):
        reason = Text(why)
        table.add_row("stays" if stays else going, str(what), reason, f"{number:,}", f"{files:,}", _size(size))
    return table


def _size(number: int) -> str:
    from rich.filesize import decimal

    return decimal(number)
