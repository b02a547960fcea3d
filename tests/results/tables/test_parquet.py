"""A table as Parquet."""

import math
from pathlib import Path

import pyarrow.parquet as pq

from xstilts_hpc.results.tables.render import RENDERERS, write_parquet
from xstilts_hpc.results.tables.table import MISSING, Number, Shown, Table


def test_parquet_holds_numbers_unrounded_with_title_and_footer(tmp_path: Path) -> None:
    rows = (("a", Number(12.345, 0.5, 2, 3), 7, "<0.001"), ("b", Number(math.nan), 8, 0.25))
    table = Table("Title", ("name", "score", "count", "p"), rows, ("one", "two"), 1, "numbers")
    read = pq.read_table(write_parquet(table, tmp_path))
    assert read.to_pydict() == {
        "name": ["a", "b"],
        "score": [12.345, None],
        "score sd": [0.5, None],
        "score n": ["2/3", None],
        "count": [7, 8],
        "p": ["<0.001", "0.25"],
    }
    assert read.schema.metadata == {b"title": b"Title", b"footer": b"one\ntwo"}


def test_a_number_that_words_show_is_a_number_and_what_they_add_has_columns(tmp_path: Path) -> None:
    cells = (Shown(0.00042, "<0.001", {"why": ""}), Shown(math.nan, "not known: [x]", {"why": "[x]"}), MISSING)
    table = Table("t", ("name", "p"), tuple((str(i), cell) for i, cell in enumerate(cells)))
    read = pq.read_table(write_parquet(table, tmp_path))
    assert read.to_pydict() == {"name": ["0", "1", "2"], "p": [0.00042, None, None], "p why": [None, "[x]", None]}
    assert RENDERERS["csv"](table) == "name,p,p why\n0,0.00042,\n1,,[x]\n2,,\n"
    assert RENDERERS["md"](table).splitlines()[4:6] == [r"| 0 | \<0.001 |", r"| 1 | not known: \[x\] |"]
    assert [line for line in RENDERERS["tex"](table).splitlines() if line.endswith(r"\\")][1:3] == [
        r"0 & \textless{}0.001 \\",
        r"1 & not known: {[}x{]} \\",
    ]


def test_columns_that_are_blank_throughout_keep_their_type(tmp_path: Path) -> None:
    table = Table(
        "t", ("name", "number", "text"), (("a", Number(math.nan), ""), ("b", Shown(math.nan, MISSING), MISSING))
    )
    schema = pq.read_table(write_parquet(table, tmp_path)).schema
    assert [str(field.type) for field in schema] == ["string", "double", "string"]
