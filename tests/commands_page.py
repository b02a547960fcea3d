"""Write docs/commands.md from the commands themselves: python -m tests.commands_page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from tests.documented import TOP
from xstilts_hpc import errors
from xstilts_hpc.cli import app

PAGE = TOP / "docs" / "commands.md"
_HEAD = """# The commands

Made by `python -m tests.commands_page` from the commands themselves; `tests/test_docs_reference.py` compares.
`xstilts plan --help`, and so on, says the same in the shell. What stands in brackets may be left out.

## Exit codes

A run of a command ends with one of these, whichever command it is. [Errors](errors.md) says what to do about each.

| code | meaning |
|---|---|
"""
_MEANINGS = {
    0: "fine",
    2: "usage: a mistyped command or option, or an argument that is missing",
    3: "grid, profile or data invalid",
    4: "finished, but something is missing or failed",
    5: "the cluster refused",
    6: "another submitter holds the lock",
}


def commands_page() -> str:
    """Return the page: exit codes, then each command with its arguments, options and example."""
    sections = [_section(path, command) for path, command in verbs()]
    return _HEAD + "".join(f"{row}\n" for row in _code_rows()) + "\n" + "\n\n".join(sections) + "\n"


def verbs() -> list[tuple[str, Any]]:
    """Return every command with its words, such as `xstilts plan`, in the order of the help; groups are walked."""
    return list(_walk("xstilts", typer.main.get_command(app)))


def _walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    for name, inner in command.commands.items():
        if hasattr(inner, "commands"):
            yield from _walk(f"{path} {name}", inner)
        else:
            yield f"{path} {name}", inner


def _code_rows() -> Iterator[str]:
    raised: dict[int, list[str]] = {}
    for error in vars(errors).values():
        if isinstance(error, type) and issubclass(error, errors.XstiltsError) and error is not errors.XstiltsError:
            raised.setdefault(error.exit_code, []).append(error.__name__)
    for code in sorted({*_MEANINGS, *raised}):
        names = ", ".join(f"`{name}`" for name in raised.get(code, []))
        yield f"| {code} | {_MEANINGS[code]}{': ' if names else ''}{names} |"


def _section(path: str, command: Any) -> str:
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    usage = " ".join([path, *map(_usage, (p for p in shown if _is_argument(p))), "[OPTIONS]"])
    rows = "".join(f"| `{_name(p)}` | {_meaning(p)} | {_default(p)} |\n" for p in shown)
    table = f"| | | default |\n|---|---|---|\n{rows}".rstrip()
    return f"## {path}\n\n```text\n{usage}\n```\n\n{_text(command.help)}\n\n{table}"


def _is_argument(parameter: Any) -> bool:
    return not parameter.opts[0].startswith("-")


def _usage(argument: Any) -> str:
    name = _name(argument)
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _name(parameter: Any) -> str:
    if _is_argument(parameter):
        return str(parameter.metavar or parameter.name.upper())
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    return f"{names} {parameter.metavar}" if parameter.metavar else names


def _meaning(parameter: Any) -> str:
    return " ".join((parameter.help or "").split()).replace("|", "\\|")


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default() if callable(parameter.default) else parameter.default
    if isinstance(value, list | tuple):
        value = " ".join(map(str, value))
    plain = value is None or value == "" or isinstance(value, bool) or value == Path()
    return "" if plain else f"`{value}`"


def _text(help_text: str | None) -> str:
    """Return a docstring as a paragraph each, its example as code."""
    paragraphs = [" ".join(part.split()) for part in (help_text or "").replace("\f", "").split("\n\n")]
    lines = []
    for paragraph in paragraphs:
        before, mark, example = paragraph.partition("Example: ")
        lines.append(before.strip() + (" " if before and mark else "") + (f"Example: `{example}`" if mark else ""))
    return "\n\n".join(line for line in lines if line)


if __name__ == "__main__":
    PAGE.write_text(commands_page(), encoding="utf-8")
    print(f"wrote {PAGE}")  # noqa: T201
