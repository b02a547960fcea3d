"""Write a small XLM-R with random weights around a real tokenizer.

Example: python tools/random_model.py --tokenizer DIR --out experiments/models/small --layers 4 --hidden 128
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xstilts_hpc.errors import XstiltsError
from xstilts_hpc.model.random_model import make_random_model


def main() -> int:
    """Read the arguments and make the model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=128)
    arguments = parser.parse_args()
    try:
        make_random_model(
            arguments.out, tokenizer=arguments.tokenizer, layers=arguments.layers, hidden=arguments.hidden
        )
    except XstiltsError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"wrote {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
