"""Tables for LaTeX: what they need is named, long ones go over pages, wide ones stand in parts."""

import re
from collections.abc import Iterator

import pytest

from xstilts_hpc.results.tables.latex import latex
from xstilts_hpc.results.tables.table import Number, Table


def table_of(rows: int, columns: int, text: str = "x") -> Table:
    """Give a table whose columns c0, c1, ... follow two that name a row."""
    names = ("task", "examples", *(f"c{i}" for i in range(columns)))
    numbers = [Number(float(i)) for i in range(columns)]
    return Table("Gain & more", names, tuple((text, str(row), *numbers) for row in range(rows)), ("a note",), 2)


def environments(lines: str) -> Iterator[tuple[str, str]]:
    """Yield the kind and the content of every environment that holds rows; fail where any is not balanced."""
    opened: list[str] = []
    for what, name in re.findall(r"\\(begin|end)\{(\w+)\}", lines):
        if what == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened and lines.count("{") == lines.count("}")
    for name in ("tabular", "longtable"):
        yield from ((name, found) for found in re.findall(rf"(?s)\\begin\{{{name}\}}(.*?)\\end\{{{name}\}}", lines))


def rows_of(content: str) -> list[list[str]]:
    """Return the cells of the rows, heads among them; each has as many as the environment has columns."""
    columns, *lines = content.splitlines()
    rows = [line.removesuffix(r" \\").split(" & ") for line in lines if " & " in line]
    assert {len(row) for row in rows} == {len(re.sub(r">\{.*?\}p\{.*?\}", "p", columns[1:-1]))}
    return rows


@pytest.mark.parametrize(
    ("rows", "columns", "kind", "parts"),
    [(40, 5, "tabular", 1), (41, 5, "longtable", 1), (10, 20, "tabular", 2), (47, 42, "longtable", 4)],
)
def test_long_tables_go_over_pages_and_wide_ones_stand_in_parts(rows: int, columns: int, kind: str, parts: int) -> None:
    lines = latex(table_of(rows, columns))
    found = list(environments(lines))
    assert [name for name, _ in found] == [kind] * parts
    heads = [rows_of(content)[0] for _, content in found]
    assert all(head[:2] == ["task", "examples"] for head in heads)
    assert [name for head in heads for name in head[2:]] == [f"c{i}" for i in range(columns)]
    copies = 2 if kind == "longtable" else 1  # the head of the first page, and that of the others
    assert all(len(rows_of(content)) == copies + rows for _, content in found)


def test_the_packages_are_named_and_a_head_is_repeated() -> None:
    lines = latex(table_of(50, 2)).splitlines()
    assert lines[0] == r"% needs \usepackage{booktabs,array,longtable}"
    assert lines.index(r"\endfirsthead") < lines.index(r"\endhead") < lines.index(r"\endfoot")
    assert r"\caption[]{Gain \& more, continued} \\" in lines
    assert latex(table_of(2, 2)).splitlines()[0] == r"% needs \usepackage{booktabs,array}"


def test_the_parts_of_a_long_table_have_one_number() -> None:
    lines = latex(table_of(50, 20)).splitlines()
    assert r"\caption{Gain \& more (part 1 of 2)} \\" in lines and r"\caption[]{Gain \& more (part 2 of 2)} \\" in lines
    assert lines.count(r"\addtocounter{table}{-1}") == 1


def test_a_long_text_is_set_in_several_lines() -> None:
    lines = latex(table_of(10, 2, text=30 * "word "))
    ((name, content),) = environments(lines)
    assert name == "longtable" and content.startswith(r"{>{\raggedright\arraybackslash}p{15em}lrr}")
