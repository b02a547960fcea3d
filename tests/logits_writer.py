"""A program that writes logits files over and over, and is killed: see test_logits_survives.py.

Prints, once per killed writer, what it wrote (a kind, or `merged`) and what a reader finds at the final name.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.logits_samples import header, same
from xstilts_hpc.errors import LogitsError
from xstilts_hpc.logits import Logits, RetrievalLogits, SequenceLogits, SpanLogits, TokenLogits, write_logits
from xstilts_hpc.logits_file import merge_logits, read_logits

KINDS = ("sequence", "choice", "token", "span", "retrieval")
MERGED = "merged"
_LANGUAGES, _SIZES = ("de", "sw"), 4


def logits(kind: str, generation: int) -> Logits:
    """Return logits that say in every number which writing they are of."""
    rows = 3_000 + 500 * (generation % _SIZES)
    ids, indices, ones = tuple(map(str, range(rows))), np.arange(rows), np.ones(rows, np.int64)
    column, three = np.full((rows, 1), generation, np.float32), np.full((rows, 3), generation, np.float32)
    if kind == "token":
        return TokenLogits(ids, three, np.arange(rows + 1))
    if kind == "span":
        features = {"null_logits": three[:, :2], "feature_example": indices, "example_context": 0 * indices}
        offsets, shown = np.zeros((rows, 2), np.int32), np.ones(rows, np.uint8)
        tokens = {"first_token": np.arange(rows + 1), "offsets": offsets, "max_context": shown}
        return SpanLogits(ids, column[:, 0], column[:, 0], **tokens, **features, contexts=("x" * rows,))
    if kind == "retrieval":
        nearest = (column, np.zeros((rows, 1), np.int64))
        return RetrievalLogits(ids, ids, indices, indices, ones, ones, *nearest, *nearest)
    return SequenceLogits(ids, three)


def generation_of(found: Logits) -> int:
    """Return which writing logits seem to be of."""
    name = {SpanLogits: "start_logits", RetrievalLogits: "scores"}.get(type(found), "logits")
    return int(getattr(found, name).flat[0])


def write(path: Path, kind: str, generation: int) -> None:
    """Write a file of one generation."""
    write_logits(path, header(kind), {code: (logits(kind, generation), "d") for code in _LANGUAGES})


def write_parts(folder: Path) -> None:
    """Write what is merged, of some generations."""
    for generation in range(_SIZES):
        for code in _LANGUAGES:
            one = {code: (logits("token", generation), "d")}
            write_logits(folder / f"{generation}-{code}.h5", header("token"), one)


def merge(path: Path, generation: int) -> None:
    """Merge the files of two languages of one generation."""
    parts = [path.parent / "parts" / f"{generation % _SIZES}-{code}.h5" for code in _LANGUAGES]
    merge_logits(path, header("token"), parts)


def killed_after(write_one: Callable[[int], None], seconds: float) -> None:
    """Start a writer of one generation after the other, and kill it."""
    child = os.fork()
    if not child:
        for generation in range(1_000_000):
            write_one(generation)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def found_at(path: Path, kind: str) -> str:
    """Say what a reader finds: `none`, `whole`, or what is wrong."""
    if not path.exists():
        return "none"
    try:
        languages = read_logits(path)
    except LogitsError as error:
        return str(error)
    whole = logits(kind, generation_of(languages["de"]))
    fits = tuple(languages) == _LANGUAGES and all(same(each, whole) for each in languages.values())
    return "whole" if fits else "mixed"


def writer(folder: Path, sort: str) -> Callable[[int], None]:
    """Return what writes, or merges, one generation into a folder."""
    path = folder / "x.h5"
    if sort != MERGED:
        return lambda generation: write(path, sort, generation)
    (folder / "parts").mkdir()
    write_parts(folder / "parts")
    return lambda generation: merge(path, generation)


def main(folder: Path, kills: int) -> None:
    """Kill writers of one file of each sort, at first with none there, at moments over four writings."""
    moments = random.Random(0)
    os.environ["OMP_NUM_THREADS"] = "1"
    for sort in (*KINDS, MERGED):
        (folder / sort).mkdir()
        path, write_one = folder / sort / "x.h5", writer(folder / sort, sort)
        started = time.perf_counter()
        write_one(0)
        takes = time.perf_counter() - started
        path.unlink()
        for _ in range(kills):
            killed_after(write_one, moments.uniform(0, 4 * takes))
            sys.stdout.write(f"{sort}\t{found_at(path, 'token' if sort == MERGED else sort)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
