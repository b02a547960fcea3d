"""Commands that look after the data folder without network."""

from pathlib import Path

import typer

from xstilts_hpc.commands.options import EXPERIMENTS, AsJson, DataPath, Root, TaskNames, data_of, print_value, say_next


def check(tasks: TaskNames = None, root: Root = EXPERIMENTS, data: DataPath = Path(), as_json: AsJson = False) -> None:
    """Check data: files, counts, checksums, licences; say what is missing and how to get it. Reads all, writes nothing.

    Exit code 3 where files are short, changed or unreadable, 4 where some are missing.

    Example: xstilts data check mnli xnli
    """
    from xstilts_hpc.data_check import check_data, check_table

    found = check_data(data_of(root, data), tasks or ())
    if not as_json and not found.data.is_dir():
        typer.echo(f"there is no data folder {found.data}: nothing is here yet")
    print_value(found.to_json(), lambda: check_table(found), as_json=as_json)
    if not as_json and not found.exit_code:
        say_next("xstilts plan GRID", root)
    raise typer.Exit(found.exit_code)
