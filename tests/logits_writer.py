"""A program that writes one logits file over and over, and is killed: see test_logits_survives.py.

Prints, once per killed writer, what a reader finds at the final name.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from tests.logits_samples import header
from xstilts_hpc.errors import LogitsError
from xstilts_hpc.logits import SequenceLogits, write_logits
from xstilts_hpc.logits_file import read_logits


def logits(generation: int) -> SequenceLogits:
    """Return logits that say in every number which writing they are of."""
    rows = 3_000 + 500 * (generation % 4)
    return SequenceLogits(tuple(map(str, range(rows))), np.full((rows, 3), generation, np.float32))


def write_for_ever(path: Path) -> None:
    """Write one generation after the other."""
    for generation in range(1_000_000):
        write_logits(path, header("sequence"), {code: (logits(generation), "d") for code in ("de", "sw")})


def killed_after(path: Path, seconds: float) -> None:
    """Start a writer and kill it."""
    child = os.fork()
    if not child:
        write_for_ever(path)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def found_at(path: Path) -> str:
    """Say what a reader finds: `none`, `whole`, or what is wrong."""
    if not path.exists():
        return "none"
    try:
        languages = list(read_logits(path).values())
    except LogitsError as error:
        return str(error)
    generations = {float(value) for each in languages for value in np.unique(each.logits)}
    fits = len(generations) == 1 and len(languages) == 2 and len(languages[0].logits) == len(languages[1].logits)
    return "whole" if fits and len(languages[0].logits) == len(logits(int(*generations)).logits) else "mixed"


def main(folder: Path, kills: int) -> None:
    """Kill writers of one file, at first with none there, at moments over two writings, and say what is found."""
    moments, path = random.Random(0), folder / "x.h5"
    os.environ["OMP_NUM_THREADS"] = "1"
    started = time.perf_counter()
    write_logits(path, header("sequence"), {code: (logits(0), "d") for code in ("de", "sw")})
    takes = time.perf_counter() - started
    path.unlink()
    for _ in range(kills):
        killed_after(path, moments.uniform(0, 2 * takes))
        sys.stdout.write(f"{found_at(path)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
