r"""One table for LaTeX (booktabs) that fits the page: in parts where it is wide, over several pages where it is long.

Sizes are in characters of \footnotesize, of which a line of LaTeX's own classes holds about eighty.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from xstilts_hpc.results.tables.pieces import pieces
from xstilts_hpc.results.tables.table import Number, Plain, Shown, Table, text

_ESCAPED: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    # After the end of a row, LaTeX takes [ and * for arguments.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    **{character: "\\" + character for character in "{}$&#_%"},
}
_WIDTH = 80
# Between columns, at \tabcolsep 3pt.
_GAP = 2
# Longer texts are set in several lines; half an em is a character.
_WIDEST = 30
_WRAPPED = rf">{{\raggedright\arraybackslash}}p{{{_WIDEST / 2:g}em}}"
# What a page takes; the head of a part counts as three.
_MOST_LINES, _HEAD = 40, 3
_SMALL = r"\footnotesize\setlength{\tabcolsep}{3pt}"


def latex(table: Table) -> str:
    """Return a table for LaTeX; a comment in its first line names the packages that it needs."""
    parts = pieces(_widths(table), table.keys, _WIDTH, _GAP)
    short = sum(_lines(table, part) + _HEAD for part in parts) <= _MOST_LINES + _HEAD
    lines = _float(table, parts) if short else _pages(table, parts)
    packages = "booktabs,array" if short else "booktabs,array,longtable"
    return "\n".join([rf"% needs \usepackage{{{packages}}}", *lines]) + "\n"


def _float(table: Table, parts: Sequence[Sequence[int]]) -> Iterator[str]:
    """Yield the lines of a table on one page, its parts below each other."""
    notes = list(_notes(table))
    yield from (r"\begin{table}", r"\centering", rf"\caption{{{latex_text(table.title)}}}", _SMALL)
    for number, part in enumerate(parts):
        yield from [r"\par\medskip"] * (number > 0)
        yield rf"\begin{{tabular}}{{{_columns(table, part)}}}"
        yield from (*_head(table, part), *_rows(table, part), r"\bottomrule", r"\end{tabular}")
    yield from ([r"\par\medskip", r"{\raggedright", *notes, r"\par}"] if notes else [])
    yield r"\end{table}"


def _pages(table: Table, parts: Sequence[Sequence[int]]) -> Iterator[str]:
    """Yield the lines of a table over several pages, a longtable for each part, all of them under one number."""
    yield "{" + _SMALL
    for number, part in enumerate(parts, 1):
        of = f" (part {number} of {len(parts)})" if len(parts) > 1 else ""
        title = latex_text(table.title + of)
        yield from [r"\addtocounter{table}{-1}"] * (number > 1)
        yield rf"\begin{{longtable}}{{{_columns(table, part)}}}"
        yield rf"\caption{'[]' if number > 1 else ''}{{{title}}} \\"
        yield from (*_head(table, part), r"\endfirsthead")
        yield from (rf"\caption[]{{{title}, continued}} \\", *_head(table, part), r"\endhead")
        yield from (r"\bottomrule", r"\endfoot", *_rows(table, part), r"\end{longtable}")
    yield from (r"\raggedright", *_notes(table), r"\par}")


def _notes(table: Table) -> Iterator[str]:
    return (rf"\par {latex_text(line)}" for line in table.footer)


def _widths(table: Table) -> list[int]:
    return [min(_WIDEST, max(map(len, _texts(table, i)))) for i in range(len(table.columns))]


def _texts(table: Table, column: int) -> list[str]:
    return [table.columns[column], *(text(row[column]) for row in table.rows)]


def _columns(table: Table, part: Sequence[int]) -> str:
    wrapped = [max(map(len, _texts(table, i))) > _WIDEST for i in part]
    return "".join(_WRAPPED if long else "l" if i < table.keys else "r" for i, long in zip(part, wrapped, strict=True))


def _lines(table: Table, part: Sequence[int]) -> int:
    """Return the number of lines of a part's rows, whose longest texts take several."""
    return sum(max(-(-len(text(row[i])) // _WIDEST) or 1 for i in part) for row in table.rows)


def _head(table: Table, part: Sequence[int]) -> tuple[str, ...]:
    return r"\toprule", _row([latex_text(table.columns[i]) for i in part]), r"\midrule"


def _rows(table: Table, part: Sequence[int]) -> Iterator[str]:
    return (_row([_cell(row[i]) for i in part]) for row in table.rows)


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(cell: Plain) -> str:
    shown = latex_text(text(cell))
    if isinstance(cell, str | Shown):
        return shown
    shown = re.sub(r"^-(?=\d)", "$-$", shown)
    return rf"\textbf{{{shown}}}" if isinstance(cell, Number) and cell.best else shown


def latex_text(value: str) -> str:
    """Return text in one line with every character that LaTeX would read as a command escaped."""
    return "".join(_ESCAPED.get(character, character) for character in " ".join(value.split()))
