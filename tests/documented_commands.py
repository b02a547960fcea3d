"""Whether a command that a page shows is one that the programs of this project take."""

import re
import shlex
from typing import Any

import typer
import typer.main

from tests.documented import TOP, Command
from xstilts_hpc.cli import app

# Typer brings its own click or uses the installed one, by its version.
_USAGE_ERROR = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "UsageError")


def problem(command: Command) -> str:
    """Return what is wrong with a command, "" where it is one that can be given."""
    try:
        words = shlex.split(command.text.replace("[", "").replace("]", ""))
    except ValueError as error:
        return str(error)
    if words[0] == "xstilts":
        return _xstilts_problem(_up_to_pipe(words[1:]), whole=command.whole)
    if words[0] == "sbatch":
        return _sbatch_problem(words[1:], whole=command.whole)
    if words[0] == "make":
        return _make_problem(words[1:])
    if words[:3] == ["python", "-m", "pytest"]:
        return _missing(word for word in words[3:] if word.startswith("tests/"))
    return _tool_problem(words[1:] if words[0] == "python" else words)


def _up_to_pipe(words: list[str]) -> list[str]:
    ends = [words.index(mark) for mark in ("|", ">", "&&", ";", "·") if mark in words]
    return words[: min(ends, default=len(words))]


def _xstilts_problem(words: list[str], *, whole: bool) -> str:
    command: Any = typer.main.get_command(app)
    path = ["xstilts"]
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        if words[0] not in command.commands:
            return f"{' '.join(path)} has no command {words[0]!r}"
        path.append(words[0])
        command, words = command.commands[words[0]], words[1:]
    if "--help" in words or (hasattr(command, "commands") and not words):
        return ""
    try:
        with command.make_context(" ".join(path), list(words), resilient_parsing="--version" in words):
            return ""
    except _USAGE_ERROR as error:
        # In running text `xstilts status` names the verb; a missing argument is no mistake there.
        return "" if not whole and type(error).__name__ == "MissingParameter" else str(error)


def _sbatch_problem(words: list[str], *, whole: bool) -> str:
    script, arguments = words[0], words[1:]
    if not (TOP / script).is_file():
        return f"no script {script}"
    if script == "slurm/submit.sbatch" and arguments:
        arguments = ["submit", arguments[0], *(["--profile", arguments[1]] if arguments[1:] else []), *arguments[2:]]
        return _xstilts_problem(arguments, whole=whole)
    return _xstilts_problem(["collect", *arguments], whole=whole) if script == "slurm/collect.sbatch" else ""


def _make_problem(words: list[str]) -> str:
    targets = re.findall(r"^([a-z]+):", (TOP / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    asked = [word for word in words if "=" not in word and not word.startswith("-")]
    return next((f"make has no target {word!r}" for word in asked if word not in targets), "")


def _tool_problem(words: list[str]) -> str:
    if missing := _missing(words[:1]):
        return missing
    if words[0] == "tools/devcluster":
        return _devcluster_problem(words[1:])
    # A tool's options stand in its own text or in the one that the benchmarks share.
    source = (TOP / words[0]).read_text(encoding="utf-8") + (TOP / "tools/bench_common.py").read_text(encoding="utf-8")
    asked = [word.partition("=")[0] for word in words[1:] if word.startswith("--") and word != "--help"]
    return next((f"{words[0]} has no option {word}" for word in asked if f'"{word}"' not in source), "")


def _devcluster_problem(words: list[str]) -> str:
    from xstilts_hpc.cluster.devcluster_verbs import SIZES

    source = (TOP / "xstilts_hpc/cluster/devcluster_verbs.py").read_text(encoding="utf-8")
    known = {f"--{name.replace('_', '-')}" for name in SIZES} | set(re.findall(r'"(--[a-z-]+)"', source))
    if words and words[0] not in re.findall(r'add_parser\("([a-z-]+)"', source):
        return f"tools/devcluster has no verb {words[0]!r}"
    return next(
        (f"devcluster has no option {word}" for word in words if word.startswith("--") and word not in known), ""
    )


def _missing(paths: Any) -> str:
    return next((f"{path} does not exist" for path in paths if not (TOP / path.partition("::")[0]).exists()), "")
