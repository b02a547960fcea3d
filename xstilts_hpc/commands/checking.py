"""The command that looks at machine and cluster before anything is submitted."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xstilts_hpc.commands import completion
from xstilts_hpc.commands.options import EXPERIMENTS, AsJson, ProfileName, Root, print_value, say_next

if TYPE_CHECKING:
    from xstilts_hpc.cluster.doctor_check import Check, Findings


def doctor(  # noqa: PLR0913 - a command has as many parameters as options
    profile: ProfileName = "local",
    grid: Annotated[
        Path | None,
        typer.Option(
            "--grid", help="Check data, model and room for this grid too.", autocompletion=completion.grid_files
        ),
    ] = None,
    root: Root = EXPERIMENTS,
    on_node: Annotated[bool, typer.Option("--on-node", help="Submit a short job that checks the nodes.")] = False,
    wait_min: Annotated[float, typer.Option(help="Minutes that the job on the nodes may wait for its start.")] = 10.0,
    time_min: Annotated[int, typer.Option(help="Time limit of the job on the nodes, in minutes.", min=1)] = 2,
    read: Annotated[str, typer.Option(help="Read what an earlier job on the nodes found.", metavar="TOKEN")] = "",
    write_profile: Annotated[str, typer.Option(help="Write slurm/profiles/NAME.yaml as a draft.", metavar="NAME")] = "",
    partition: Annotated[str, typer.Option(help="The partition of the draft; the default one if none is named.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check whether this machine, or a cluster, can run it: Slurm, limits, file system, room, data, model, packages.

    Example: xstilts doctor --profile devcluster --grid grids/size_sweep.yaml --on-node
    """
    from xstilts_hpc.cluster.doctor import Patient, examine
    from xstilts_hpc.cluster.doctor_check import Area
    from xstilts_hpc.cluster.profile import load_profile

    if write_profile:
        _write(write_profile, partition, root)
        return
    if read:
        _report({Area.NODE: _read(root, read)}, as_json=as_json)
        return
    found = {**examine(Patient(load_profile(profile), root, grid))}
    if on_node:
        from xstilts_hpc.cluster.doctor_submit import Patience, send_to_node

        patience = Patience(wait_min, time_min)
        found[Area.NODE] = send_to_node(load_profile(profile), root, patience, tell=_aside)
    _report(found, as_json=as_json)
    if not as_json:
        _say_next(profile, grid, root, visit=load_profile(profile).kind == "slurm" and not on_node)


def _say_next(profile: str, grid: Path | None, root: Path, *, visit: bool) -> None:
    """Print what comes after a look that found nothing wrong: one at the nodes, or the submission."""
    submit = f"xstilts submit {shlex.quote(str(grid)) if grid else 'GRID'} --profile {shlex.quote(profile)}"
    say_next(f"xstilts doctor --profile {shlex.quote(profile)} --on-node" if visit else submit, root)


def _aside(text: str) -> None:
    """Say something that is no finding, and no part of what --json prints."""
    typer.echo(text, err=True)


def _write(name: str, partition: str, root: Path) -> None:
    from xstilts_hpc.cluster.doctor_draft import write_draft
    from xstilts_hpc.cluster.doctor_facts import ask_cluster

    path, _ = write_draft(name, ask_cluster(), partition=partition)
    typer.echo(f"wrote {path}: a draft, read its comments")
    say_next(f"xstilts doctor --profile {shlex.quote(name)} --on-node", root)


def _read(root: Path, token: str) -> "list[Check]":
    import time

    from xstilts_hpc.cluster.doctor_visit import visit_checks, visit_of

    return visit_checks(visit_of(root.resolve(), token), time.time())


def _report(found: "Findings", *, as_json: bool) -> None:
    """Print what was found; leave with the exit code that it gives, unless that is 0."""
    from xstilts_hpc.cluster.doctor_check import exit_code, findings_json, findings_table

    print_value(findings_json(found), lambda: findings_table(found), as_json=as_json)
    code = exit_code(found)
    if code:
        raise typer.Exit(code)
