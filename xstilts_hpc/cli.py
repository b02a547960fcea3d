"""The command line: every command prints what it did and the next useful command."""

import sys
from typing import Annotated

import typer

from xstilts_hpc.commands import checking, cleaning, fetching, grids, mending, results, seeing, stocking
from xstilts_hpc.disk import in_words
from xstilts_hpc.errors import IncompleteError, XstiltsError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Study how English intermediate training transfers across languages, on a Slurm cluster or this machine.",
)
_COMMANDS = (
    *(grids.demo, grids.tasks, grids.plan, grids.submit, grids.run),
    *(seeing.status, seeing.why, seeing.logs),
    *(mending.cancel, mending.retry, cleaning.clean),
    *(results.collect, results.report, results.export),
    *(checking.doctor,),
)
for _command in _COMMANDS:
    app.command()(_command)
data = typer.Typer(no_args_is_help=True, help="Fetch, import and check the data sets.")
data.command("fetch")(fetching.fetch_data)
data.command("import")(stocking.import_data)
data.command("check")(stocking.check)
app.add_typer(data, name="data")
model = typer.Typer(no_args_is_help=True, help="Fetch models for machines without network.")
model.command("fetch")(fetching.fetch_model)
app.add_typer(model, name="model")


def main() -> None:
    """Run the command line; an error a user can cause is one message and its exit code, without a traceback.

    So is what the system refuses, such as a file on a full disk, or in a folder that is not this user's.
    """
    try:
        app()
    except XstiltsError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        typer.echo(f"error: {in_words(error)}", err=True)
        sys.exit(IncompleteError.exit_code)


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version and the commit.")] = False) -> None:
    if version:
        from xstilts_hpc.version import code_version

        typer.echo(f"xstilts {code_version()}")
        raise typer.Exit


if __name__ == "__main__":
    main()
