"""A program that writes a logits file while two others are open for reading: see test_logits_survives.py."""

import sys
from pathlib import Path

from tests.logits_samples import SEQUENCE, TOKEN, same, written
from xstilts_hpc.logits_file import open_logits, read_logits


def main(folder: Path) -> None:
    """Open a file twice and another once, replace both meanwhile, and read what was open and what is there."""
    (folder / "other").mkdir()
    one, other = written(folder, sw=SEQUENCE), written(folder / "other", "token", sw=TOKEN)
    with open_logits(one) as first, open_logits(one) as second, open_logits(other) as third:
        written(folder / "other", "token", sw=TOKEN, de=TOKEN)
        written(folder, sw=SEQUENCE, de=SEQUENCE)
        for stored, logits in ((first, SEQUENCE), (second, SEQUENCE), (third, TOKEN)):
            assert [same(found, logits) for found in stored.read().values()] == [True]
    assert set(read_logits(one)) == set(read_logits(other)) == {"de", "sw"}
    sys.stdout.write("fine\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
