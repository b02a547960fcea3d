#!/usr/bin/env python3
"""Collect a grid's logits into scores, tables, figures and a report; the same as `xstilts collect` and `report`."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console

from xstilts_hpc.cluster.status import states
from xstilts_hpc.errors import XstiltsError
from xstilts_hpc.results.report import collect_and_write


def main() -> int:
    """Return the exit code: 0 fine, 3 the grid is invalid, 4 finished but something is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="example: python tools/collect.py size_sweep --root experiments --allow-partial"
    )
    parser.add_argument("grid", metavar="GRID", help="the name of a submitted grid, or its file")
    parser.add_argument("--root", default="experiments", metavar="DIR", help="folder of runs and grids (%(default)s)")
    parser.add_argument("--allow-partial", action="store_true", help="accept missing cells; means are marked n=")
    options = parser.parse_args()
    try:
        collect_and_write(
            options.grid,
            options.root,
            allow_partial=options.allow_partial,
            console=Console(),
            processes=0,
            states=states,
        )
    except XstiltsError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"error: {error}; check --root and its permissions", file=sys.stderr)
        return XstiltsError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
