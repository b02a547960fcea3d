"""Commands that look after the data folder without network."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from xstilts_hpc.commands import completion
from xstilts_hpc.commands.options import (
    EXPERIMENTS,
    AsJson,
    DataPath,
    DryRun,
    Root,
    TaskNames,
    data_of,
    print_value,
    say_next,
)


def check(tasks: TaskNames = None, root: Root = EXPERIMENTS, data: DataPath = None, as_json: AsJson = False) -> None:
    """Check data: files, counts, checksums, licences; say what is missing and how to get it. Reads all, writes nothing.

    Exit code 3 where files are short, changed or unreadable, 4 where some are missing.

    Example: xstilts data check mnli xnli
    """
    from xstilts_hpc.stock.check import check_data, check_table

    found = check_data(data_of(root, data), tasks or (), lambda text: typer.echo(text, err=True))
    if not as_json and not found.data.is_dir():
        typer.echo(f"there is no data folder {found.data}: nothing is here yet")
    print_value(found.to_json(), lambda: check_table(found), as_json=as_json)
    if not as_json and not found.exit_code:
        say_next("xstilts plan GRID", root)
    raise typer.Exit(found.exit_code)


def import_data(  # noqa: PLR0913 - a command has as many parameters as options
    task: Annotated[
        str,
        typer.Argument(metavar="TASK", help="The task whose files they are.", autocompletion=completion.task_names),
    ],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that has them, at whatever depth.")],
    root: Root = EXPERIMENTS,
    data: DataPath = None,
    link: Annotated[bool, typer.Option("--link", help="Link the files instead of copying them.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Replace other files of the same names.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Import the files of a task from a folder that you have: XTREME's download/, jiant's, raw releases, hub parquet.

    They are found, read whole, copied under the names that the toolkit knows, and recorded with their checksums.
    Exit code 3 where files are short or unreadable, 4 where something of the task is still missing.

    Example: xstilts data import xnli /path/to/download --dry-run
    """
    from xstilts_hpc.stock.check import check_table
    from xstilts_hpc.stock.imports import apply_import, not_used, plan_import
    from xstilts_hpc.tasks import task_of

    plan = plan_import(task_of(task), folder, data_of(root, data), replacing=replace)
    check = plan.check
    if not dry_run:
        apply_import(plan, link=link)
    unused = [] if dry_run else not_used(plan)
    files = {name: str(path) for name, path in plan.targets.items()}
    value = {**check.to_json(), "files": files, "new": plan.new, "not_used": unused}
    print_value(value, lambda: check_table(check), as_json=as_json)
    if not as_json:
        verb = "would be imported" if dry_run else "imported"
        typer.echo(f"{len(plan.new):,} files {verb} into {plan.data}, {len(plan.same):,} were there already")
        for line in unused:
            typer.echo(line)
        again = f"xstilts data import {task} {shlex.quote(str(folder))}{' --link' * link}{' --replace' * replace}"
        say_next(again if dry_run else f"xstilts data check {task}", root, data)
    raise typer.Exit(check.exit_code)
