"""Read the sentence pairs of XNLI and PAWS-X as XTREME's download step leaves them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Example, SequenceExample
from xstilts_hpc.tasks.base import BadRowError
from xstilts_hpc.tasks.lines import each_line, fields_of, label_in, read_bytes, read_lines

_QUOTE = '"'


def parse_pairs(path: Path, labels: Sequence[str]) -> Iterator[Example | BadRowError]:
    """Yield the rows of a file without a header: two texts and, in all rows or in none, the label."""
    quoted, columns = _is_quoted(path), _columns(path)

    def example(number: int, line: str) -> Iterator[SequenceExample]:
        first, second, *rest = _fields(line, columns, quoted)
        yield SequenceExample(str(number), first, second, label_in(labels, rest[0]) if rest else None)

    return each_line(path, example)


def parse_labelled_pairs(path: Path, label_path: Path, labels: Sequence[str]) -> Iterator[Example | BadRowError]:
    """Yield the rows of a stripped test file with the labels of a file beside it, one a line."""
    gold = [label for _, label in read_lines(label_path)]
    num_rows = sum(1 for _ in read_lines(path))
    if num_rows != len(gold):
        raise DataError(f"{path}: {num_rows} rows, but {len(gold)} labels in {label_path}")
    quoted = _is_quoted(path)

    def example(number: int, line: str) -> Iterator[SequenceExample]:
        first, second = _fields(line, (2,), quoted)
        yield SequenceExample(str(number), first, second, label_in(labels, gold[number - 1]))

    return each_line(path, example)


def _columns(path: Path) -> tuple[int, ...]:
    """Return the allowed numbers of columns: that of the first row, if it is one of a file with or without labels."""
    num_columns = read_bytes(path).partition(b"\n")[0].count(b"\t") + 1
    return (num_columns,) if num_columns in (2, 3) else (2, 3)


def _fields(line: str, columns: Sequence[int], quoted: bool) -> list[str]:
    fields = fields_of(line, columns)
    return [_unquoted(field) for field in fields] if quoted else fields


def _unquoted(field: str) -> str:
    return field[1:-1].replace(_QUOTE * 2, _QUOTE) if field.startswith(_QUOTE) else field


def _is_quoted(path: Path) -> bool:
    """Say whether a file is as csv.writer writes it: each field that has a quote stands in quotes, those in it doubled.

    XTREME's utils_preprocess.py writes so. In other copies of the files a quote is a plain character, and then some
    field nearly always breaks the rule; a whole file is read in the one way or the other.
    """
    fields = (field for line in read_bytes(path).split(b"\n") for field in line.removesuffix(b"\r").split(b"\t"))
    return all(_stands_in_quotes(field) for field in fields if b'"' in field)


def _stands_in_quotes(field: bytes) -> bool:
    inner = field[1:-1].replace(b'""', b"")
    return len(field) > 1 and field.startswith(b'"') and field.endswith(b'"') and b'"' not in inner
