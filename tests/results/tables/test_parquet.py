"""A table as Parquet."""

import math
from pathlib import Path

import pyarrow.parquet as pq

from xstilts_hpc.results.tables.render import write_parquet
from xstilts_hpc.results.tables.table import Number, Table


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
