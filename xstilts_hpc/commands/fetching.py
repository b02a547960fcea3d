"""The two commands that use the network: data and models, on a machine that has one."""

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from xstilts_hpc.commands.options import (
    EXPERIMENTS,
    AsJson,
    DataPath,
    DryRun,
    Root,
    TaskNames,
    console,
    data_of,
    say_next,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xstilts_hpc.fetch.data import Fetching, Outcome
    from xstilts_hpc.tasks.base import Task


class Origin(StrEnum):
    """Where data are fetched from."""

    PUBLISHERS = "publishers"
    HUB = "hub"


Mirror = Annotated[str, typer.Option("--mirror", help="A mirror with a folder per host, instead of the publishers.")]
Translated = Annotated[
    list[str] | None, typer.Option("--translated", help="Training sets translated into a language too; repeat it.")
]
From = Annotated[Origin, typer.Option("--from", help="The publishers' files, or the parquet files of the hub.")]


def fetch_data(  # noqa: PLR0913 - a command has as many parameters as options
    tasks: TaskNames = None,
    root: Root = EXPERIMENTS,
    data: DataPath = None,
    origin: From = Origin.PUBLISHERS,
    translated: Translated = None,
    mirror: Mirror = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Fetch the data of tasks, and of what they are trained on, from the publishers: resumed, verified, recorded.

    What is here is left alone. Exit code 4 where something is missing: then it says what to do by hand.

    Example: xstilts data fetch xnli hellaswag --dry-run
    """
    from xstilts_hpc.fetch.data import Fetching, State, plan_fetch, with_translations

    chosen = with_translations(_chosen(tasks or [], origin), translated or [])
    fetching = Fetching(data_of(root, data), mirror)
    if dry_run:
        found = plan_fetch(chosen, fetching.data)
    else:
        found = (_fetch_quietly if as_json else _fetch_aloud)(chosen, fetching)
    if as_json:
        typer.echo(json.dumps([_json(outcome) for outcome in found], indent=1))
    elif dry_run:
        typer.echo("\n".join(_plan_lines(found)))
    else:
        say_next("xstilts data check", root, data)
    raise typer.Exit(4 if any(outcome.state is State.MISSING for outcome in found) else 0)


def fetch_model(
    model: Annotated[str, typer.Argument(metavar="ID", help="The model's id on the hub.")],
    revision: Annotated[str, typer.Option("--revision", help="A branch, a tag or a commit.")] = "main",
) -> None:
    """Fetch a model into the hub's cache: configuration, tokenizer and safetensors, pinned to a commit, verified.

    Example: xstilts model fetch FacebookAI/xlm-roberta-large
    """
    from xstilts_hpc.fetch.model import fetch_model as fetch
    from xstilts_hpc.fetch.watching import Watching

    fetched = fetch(model, revision, Watching(console()))
    typer.echo(f"{model} is in {fetched.folder}\nin a grid file, for nodes without network:")
    typer.echo(f"model: {{id: {model}, revision: {fetched.commit}}}")


def _chosen(names: "Sequence[str]", origin: Origin) -> "list[Task]":
    from xstilts_hpc.fetch.hub import with_hub_files
    from xstilts_hpc.tasks import TASKS, needed_for, task_of
    from xstilts_hpc.tasks.base import Role

    every = [task for task in TASKS.values() if Role.MIXED_IN not in task.roles]
    tasks = needed_for([task_of(name) for name in names] if names else every)
    return [with_hub_files(task) for task in tasks] if origin is Origin.HUB else tasks


def _fetch_quietly(tasks: "Sequence[Task]", fetching: "Fetching") -> "list[Outcome]":
    from rich.console import Console

    from xstilts_hpc.fetch.data import fetch
    from xstilts_hpc.fetch.watching import Watching

    return list(fetch(tasks, fetching, Watching(Console(stderr=True))))


def _fetch_aloud(tasks: "Sequence[Task]", fetching: "Fetching") -> "list[Outcome]":
    from xstilts_hpc.fetch.data import fetch
    from xstilts_hpc.fetch.watching import Watching

    watching = Watching(console())
    for task in tasks:
        watching.says(f"licence of {task.title}: {task.licence}")
    found = []
    for outcome in fetch(tasks, fetching, watching):
        found.append(outcome)
        what = ", ".join(outcome.tasks) + (f": {outcome.url}" if outcome.url else "")
        watching.says(f"{outcome.state} {what}" + (f" ({outcome.says})" if outcome.says else ""))
    return found


def _json(outcome: "Outcome") -> dict[str, object]:
    return {**vars(outcome), "state": str(outcome.state)}


def _plan_lines(found: "Sequence[Outcome]") -> "Iterator[str]":
    """Yield a line per download, however wide the terminal is: addresses are to be copied."""
    from xstilts_hpc.byte_sizes import in_bytes

    for outcome in found:
        size = in_bytes(outcome.num_bytes) if outcome.num_bytes else "size unknown"
        where = f"{outcome.url} ({size})" if outcome.url else outcome.says
        yield f"{outcome.state} {', '.join(outcome.tasks)}: {where}; licence: {outcome.licence}"
    to_come = sum(outcome.num_bytes for outcome in found if outcome.state == "to fetch")
    yield f"{in_bytes(to_come)} to fetch, where the size is known"
