"""Every command that a page shows is one that the programs of this project take."""

import re
from pathlib import Path

import pytest

from tests.documented import TOP, Command, commands, pages
from tests.documented_commands import problem


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_command_of_a_page_can_be_given(page: Path) -> None:
    found = {str(command): problem(command) for command in commands(page)}
    assert {command: what for command, what in found.items() if what} == {}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("xstilts statuss x", "has no command 'statuss'"),
        ("xstilts status x --watchh", "No such option"),
        ("xstilts status", "Missing parameter: grid"),
        ("xstilts clean x --cache many", "valid integer"),
        ("make tset", "no target 'tset'"),
        ("sbatch slurm/collect.sbatch x --partial", "No such option"),
        ("sbatch slurm/gather.sbatch x", "no script"),
        ("tools/devcluster begin", "no verb 'begin'"),
        ("tools/devcluster start --node 3", "no option --node"),
        ("python tools/bench_zero.py --stages 0", "no option --stages"),
        ("python tools/bench_sero.py", "does not exist"),
        ("python -m pytest tests/no_such.py", "does not exist"),
    ],
)
def test_a_mistyped_command_is_found(text: str, what: str) -> None:
    assert re.search(what, problem(Command(TOP / "README.md", 1, text, True)))
