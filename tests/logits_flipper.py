"""A program that flips one bit of logits files at a time and reads them: see test_logits_survives.py.

Prints, for each flip, the file, the bit, and what became of it: `refused`, `equal`, or what is wrong. It is a
program of its own since a crash in the HDF5 library should end nothing else.
"""

import random
import sys
from pathlib import Path

from tests.logits_samples import KINDS, header, same, written
from xstilts_hpc.errors import LogitsError
from xstilts_hpc.logits import Logits
from xstilts_hpc.logits_file import open_logits


def outcome(path: Path, kind: str, logits: Logits) -> str:
    """Say what a reader makes of a file of logits in two languages."""
    try:
        with open_logits(path) as file:
            found, head, digests = file.read(), file.header(), file.data_digests()
    except LogitsError:
        return "refused"
    whole = {code: f"digest of {code}" for code in ("de", "sw")}
    fits = found.keys() == whole.keys() and all(same(each, logits) for each in found.values())
    return "equal" if fits and head == header(kind) and digests == whole else f"reads {head} {digests} {found}"


def main(folder: Path, flips: int) -> None:
    """Flip bits at random places of files of all kinds in turn."""
    places = random.Random(0)
    whole = {}
    for name, (kind, logits) in KINDS.items():
        (folder / name).mkdir()
        whole[name] = written(folder / name, kind, sw=logits, de=logits).read_bytes()
    for number in range(flips):
        name = list(KINDS)[number % len(KINDS)]
        kind, logits = KINDS[name]
        bit = places.randrange(len(whole[name]) * 8)
        sys.stdout.write(f"{name}\t{bit}\t")
        sys.stdout.flush()
        flipped = bytearray(whole[name])
        flipped[bit // 8] ^= 1 << bit % 8
        path = folder / name / "x.h5"
        path.write_bytes(flipped)
        sys.stdout.write(f"{outcome(path, kind, logits)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
