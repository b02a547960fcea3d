"""Encode a few examples, for the tests of encoding."""

from pathlib import Path
from typing import Any

from xstilts_hpc.data.encode import Encoded, Encoder
from xstilts_hpc.files import Memory
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.tasks.base import Split
from xstilts_hpc.tasks.folder import DataFolder

# The tiny tokenizer's pieces: <s> 0, </s> 2, <unk> 3, the space before each word 4, a to z 5 to 30.
CLS, SEP, UNKNOWN, SPACE, A, B, C, D = 0, 2, 3, 4, 5, 6, 7, 8
X, Y = 28, 29


def encode(tokenizer: Any, folder: Path, name: str, *examples: Any, **lengths: int) -> Encoded:
    """Return the encoded set of some examples of a task, with departures from the default recipe."""
    encoder = Encoder(tokenizer, Recipe().with_changes(lengths), folder / "cache")
    return encoder.encode(TASKS[name], examples, "digest")


def rows(encoded: Encoded, name: str) -> list[list[int]]:
    """Return a list column."""
    column = encoded.ragged(name)
    return [column[i].tolist() for i in range(len(column))]


def read(data: Path, folder: Path, name: str, split: Split, language: str) -> list[Any]:
    """Return the examples of a split in a data folder."""
    return list(DataFolder(data, Memory(folder / "m.json")).locate(TASKS[name], split, language).examples())
