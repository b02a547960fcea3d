"""A program that reads the logits files of a folder with few descriptors: see test_logits_survives.py."""

import resource
import sys
from collections import Counter
from pathlib import Path

from xstilts_hpc.errors import LogitsError
from xstilts_hpc.logits_file import data_digests, open_logits, read_header


def main(folder: Path, descriptors: int) -> None:
    """Read every file in the collector's way and keep every error; print how many were read and refused."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    found, errors = Counter[str](), []
    for path in sorted(folder.glob("*.h5")):
        try:
            with open_logits(path) as stored:
                languages = [stored.read([code]) for code in stored.data_digests()]
            assert languages and read_header(path) and data_digests(path)
            found["read"] += 1
        except LogitsError as error:  # kept with its traceback, as a caller may
            errors.append(error)
            found["refused"] += 1
    sys.stdout.write(", ".join(f"{what} {number}" for what, number in sorted(found.items())) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
