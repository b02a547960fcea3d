"""One table as Markdown, CSV, LaTeX (booktabs), Parquet or for a terminal; every renderer escapes what it is given."""

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from xstilts_hpc.files import whole_file, write_text
from xstilts_hpc.results.tables.latex import latex
from xstilts_hpc.results.tables.pieces import pieces
from xstilts_hpc.results.tables.table import MISSING, Number, Plain, Shown, Table, text
from xstilts_hpc.results.written import remove_others

_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~&])")
# A decimal point and a space cost less than a column of a terminal; three characters between columns.
_GAP = 3


def write_tables(tables: Iterable[Table], folder: Path) -> tuple[Path, ...]:
    """Write tables as .md, .csv, .tex and .parquet into a folder, where no earlier ones stay; return the paths.

    Title and footer of a .csv are in a .csv.txt beside it.
    """
    written = []
    for table in tables:
        for suffix, render in RENDERERS.items():
            path = folder / f"{table.name}.{suffix}"
            write_text(path, render(table))
            written.append(path)
        written.append(write_parquet(table, folder))
    remove_others(folder, written)
    return tuple(written)


def write_parquet(table: Table, folder: Path) -> Path:
    """Write a table as .parquet into a folder: numbers unrounded, title and footer in the metadata; return the path.

    Columns are those of the CSV; what is missing is null.
    """
    columns = (
        _plain_columns(name, [row[i] for row in table.rows], per_cent=float) for i, name in enumerate(table.columns)
    )
    arrays = {str(name): _array(cells) for group in columns for name, *cells in group}
    path = folder / f"{table.name}.parquet"
    described = {"title": table.title, "footer": "\n".join(table.footer)}
    with whole_file(path) as partial:
        pq.write_table(pa.table(arrays, metadata=described), partial)
    return path


def markdown(table: Table) -> str:
    """Return a table as a Markdown (GitHub) table with its title above and its footer below."""
    lines = [f"**{_markdown_text(table.title)}**", "", _markdown_row(table.columns)]
    lines.append("|" + "|".join(["---"] * table.keys + ["---:"] * (len(table.columns) - table.keys)) + "|")
    lines += [_markdown_row([_markdown_cell(cell) for cell in row], escape=False) for row in table.rows]
    lines += ["", *(f"- {_markdown_text(line)}" for line in table.footer)]
    return "\n".join(lines) + "\n"


def csv_text(table: Table) -> str:
    """Return a table as CSV: plain numbers, blank where missing, without title and footer.

    Per cent are as printed, other numbers unrounded. A column whose numbers have a spread is followed by one named
    `... sd`, one with members missing by `... n`.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = [
        _plain_columns(name, [row[i] for row in table.rows], per_cent=_one_decimal)
        for i, name in enumerate(table.columns)
    ]
    texts = (["" if _is_blank(cell) else str(cell) for cell in column] for group in columns for column in group)
    writer.writerows(zip(*texts, strict=True))
    return out.getvalue()


def beside_csv(table: Table) -> str:
    """Return what CSV has no place for: title and footer."""
    return "\n".join([table.title, "", *table.footer]) + "\n"


RENDERERS: Mapping[str, Callable[[Table], str]] = {
    "md": markdown,
    "csv": csv_text,
    "csv.txt": beside_csv,
    "tex": latex,
}


def print_table(table: Table, console: Console) -> None:
    """Print a table to a terminal, in several pieces where it is wider than the terminal."""
    found = pieces(_widths(table), table.keys, console.width, _GAP)
    for number, columns in enumerate(found, 1):
        part = f" ({number} of {len(found)})" if len(found) > 1 else ""
        console.print(_rich(table, columns, table.title + part))
    for line in table.footer:
        console.print(Text(line, style="dim"))
    console.print()


def _one_line(value: str) -> str:
    return " ".join(value.split())


def _markdown_text(value: str) -> str:
    return _MARKDOWN.sub(r"\\\1", _one_line(value))


def _markdown_cell(cell: Plain) -> str:
    shown = _markdown_text(text(cell))
    return f"**{shown}**" if isinstance(cell, Number) and cell.best else shown


def _markdown_row(cells: Sequence[str], *, escape: bool = True) -> str:
    return "| " + " | ".join(_markdown_text(cell) if escape else cell for cell in cells) + " |"


def _plain_columns(
    name: str, cells: Sequence[Plain], *, per_cent: Callable[[float], float]
) -> Iterator[list[str | int | float]]:
    """Yield a column with its header, then its spreads, its members and what else is beside it, where there are any."""
    numbers = [cell if isinstance(cell, Number) else Number(math.nan) for cell in cells]
    yield [name, *(_value(cell, per_cent) for cell in cells)]
    if any(not math.isnan(number.spread) for number in numbers):
        yield [f"{name} sd", *(per_cent(number.spread) for number in numbers)]
    if any(number.partial for number in numbers):
        yield [f"{name} n", *(f"{number.found}/{number.expected}" if number.expected else "" for number in numbers)]
    beside = [cell.beside if isinstance(cell, Shown) else {} for cell in cells]
    for word in dict.fromkeys(word for one in beside for word in one):
        yield [f"{name} {word}", *(one.get(word, "") for one in beside)]


def _value(cell: Plain, per_cent: Callable[[float], float]) -> str | int | float:
    if isinstance(cell, Shown):
        return cell.value
    value = cell.value if isinstance(cell, Number) else cell
    return per_cent(value) if isinstance(value, float) else value


def _one_decimal(value: float) -> float:
    return float(f"{value:z.1f}")


def _is_blank(cell: str | float) -> bool:
    return cell in ("", MISSING) or (isinstance(cell, float) and math.isnan(cell))


def _array(cells: Sequence[str | float]) -> pa.Array:
    """Return a column of numbers, or of texts where any is one; a column that is blank throughout keeps its type."""
    there = [None if _is_blank(cell) else cell for cell in cells]
    if all(isinstance(cell, str) for cell in cells) or any(isinstance(cell, str) for cell in there):
        return pa.array([None if cell is None else str(cell) for cell in there], type=pa.string())
    return pa.array(there, type=pa.float64() if any(isinstance(cell, float) for cell in cells) else None)


def _widths(table: Table) -> list[int]:
    return [max(len(name), *(len(text(row[i])) for row in table.rows), 0) for i, name in enumerate(table.columns)]


def _rich(table: Table, columns: Sequence[int], title: str) -> RichTable:
    shown = RichTable(title=Text(title), box=box.SIMPLE, title_justify="left", pad_edge=False)
    for i in columns:
        shown.add_column(Text(table.columns[i]), justify="left" if i < table.keys else "right", no_wrap=True)
    for row in table.rows:
        shown.add_row(*(_rich_cell(row[i]) for i in columns))
    return shown


def _rich_cell(cell: Plain) -> Text:
    return Text(text(cell), style="bold" if isinstance(cell, Number) and cell.best else "")
