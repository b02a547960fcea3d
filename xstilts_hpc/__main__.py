"""Run the command line as `python -m xstilts_hpc`."""

from xstilts_hpc.cli import main

if __name__ == "__main__":
    main()
