"""A program that flips one bit of logits files at a time and reads them: see test_logits_survives.py.

Prints, for each flip, the file, the bit, and what became of it: `refused`, `equal` or `wrong`. It is a program of its
own since a crash in the HDF5 library should end nothing else, and since only the alarm's signal ends one that hangs.
"""

import random
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.logits_samples import KINDS, header, same, written
from xstilts_hpc.errors import LogitsError
from xstilts_hpc.logits_file import data_digests, read_header, read_logits

_HANGS_S = 60


def outcome(path: Path, name: str) -> str:
    """Say what readers of logits, header and digests, each alone, make of the file of one sample."""
    kind, logits = KINDS[name]
    readers: tuple[Callable[[], bool], ...] = (
        lambda: [(code, same(found, logits)) for code, found in read_logits(path).items()] == [("sw", True)],
        lambda: read_header(path) == header(kind),
        lambda: data_digests(path) == {"sw": "digest of sw"},
    )
    found = [_answer(reads_right) for reads_right in readers]
    return "wrong" if "wrong" in found else "refused" if "refused" in found else "equal"


def _answer(reads_right: Callable[[], bool]) -> str:
    try:
        return "equal" if reads_right() else "wrong"
    except LogitsError:
        return "refused"


def bits(sizes: Mapping[str, int], flips: int, seed: int) -> Iterator[tuple[str, int]]:
    """Yield random bits of the samples in turn; where `flips` is 0, every bit of each."""
    chance, names = random.Random(seed), list(sizes)
    for number in range(flips):
        name = names[number % len(names)]
        yield name, chance.randrange(8 * sizes[name])
    if not flips:
        yield from ((name, bit) for name, size in sizes.items() for bit in range(8 * size))


def main(folder: Path, flips: int, seed: int, names: list[str]) -> None:
    """Flip bits of the files of some samples and read them; the alarm ends the program where that hangs."""
    whole = {}
    for name in names:
        kind, logits = KINDS[name]
        (folder / name).mkdir()
        whole[name] = written(folder / name, kind, sw=logits).read_bytes()
    for name, bit in bits({name: len(content) for name, content in whole.items()}, flips, seed):
        sys.stdout.write(f"{name}\t{bit}\t")
        sys.stdout.flush()
        flipped = bytearray(whole[name])
        flipped[bit // 8] ^= 1 << bit % 8
        path = folder / name / "x.h5"
        path.write_bytes(flipped)
        signal.alarm(_HANGS_S)
        sys.stdout.write(f"{outcome(path, name)}\n")
        signal.alarm(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:] or list(KINDS))
