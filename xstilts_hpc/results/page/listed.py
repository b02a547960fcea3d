"""Lists of the report whose rows are data that a script shows in pages: a row in the page would be slow to load."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from xstilts_hpc.results.tables.table import Number, Plain, Table, text

# Longer tables are shown in pages.
MOST_ROWS = 60


@dataclass(frozen=True)
class Listed:
    """A list: what it is called in the page, its title and caption, columns and their classes, and rows as JSON."""

    name: str
    title: str
    caption: str
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    rows: Markup


def listed(name: str, title: str, caption: str, columns: Sequence[str], rows: Sequence[Sequence[Plain]]) -> Listed:
    """Return a list without the columns that hold nothing; numbers stand on the right."""
    kept = [i for i in range(len(columns)) if any(row[i] != "" for row in rows)]
    numbers = {i for i in kept if any(not isinstance(row[i], str) for row in rows)}
    classes = tuple("" if i in numbers else f"key {columns[i].partition(' ')[0]}" for i in kept)
    there = embedded([[row[i] for i in kept] for row in rows])
    return Listed(name, title, caption, tuple(columns[i] for i in kept), classes, there)


def listed_table(table: Table) -> Listed:
    """Return a table as a list; the best of a column is a text in brackets."""
    classes = tuple("key" if i < table.keys else "" for i in range(len(table.columns)))
    rows = [[_cell(cell) for cell in row] for row in table.rows]
    return Listed(f"table-{table.name}", table.title, "", table.columns, classes, embedded(rows))


def _cell(cell: Plain) -> str | list[str]:
    return [text(cell)] if isinstance(cell, Number) and cell.best else text(cell)


def embedded(value: Any) -> Markup:
    """Return a value as JSON that can stand in a script element: ASCII, without a character that could end it."""
    found = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(found.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
