"""What the README and the pages of docs/ hold: blocks, commands, links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
# What a command of this project begins with; others (pip, tail, rsync) are the machine's own.
_OURS = re.compile(r"(xstilts|make)( |$)|sbatch slurm/|(python )?tools/\w|python -m pytest( |$)")
# What may stand before a command without being part of it.
_BEFORE = re.compile(r"^(\$ |time |nice |[A-Z][A-Z_]*=\S+ )+")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language ("" where none is said), its text, the line it begins at."""

    page: Path
    line: int
    language: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command as a page shows it; `whole` is false in running text, where often only the verb is named."""

    page: Path
    line: int
    text: str
    whole: bool

    def __str__(self) -> str:
        return f"{self.page.relative_to(TOP)}:{self.line}: {self.text}"


def pages() -> list[Path]:
    """Return the README and every page of docs/."""
    return [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page; an open fence at its end is an error."""
    found, opened = [], []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip().startswith("```"):
            if opened:
                (start, language), *lines = opened
                found.append(Block(page, start, language, "\n".join(text for _, text in lines)))
                opened = []
            else:
                opened = [(number, line.strip().removeprefix("```"))]
        elif opened:
            opened.append((number, line))
    assert not opened, f"{page}: the block of line {opened[0][0]} is not closed"
    return found


def shell_lines(block: Block) -> Iterator[tuple[int, str]]:
    """Yield the commands of a block with their lines: continued lines joined, comments left out."""
    lines = block.text.replace("\\\n", "\\\0").split("\n")
    number = block.line + 1
    for line in lines:
        text = re.sub(r"(^|\s)#.*", "", line.replace("\\\0", " ")).strip()
        if text:
            yield number, re.sub(r" +", " ", text)
        number += 1 + line.count("\0")


def commands(page: Path) -> list[Command]:
    """Return every command of this project that a page shows, in blocks and in running text."""
    found = []
    for block in blocks(page):
        if block.language in ("", "bash"):
            found += [Command(page, number, text, True) for number, text in shell_lines(block)]
    found += [Command(page, number, text, False) for number, text in _spans(page)]
    bare = [Command(c.page, c.line, _BEFORE.sub("", c.text), c.whole) for c in found]
    return [command for command in bare if is_ours(command.text)]


def is_ours(text: str) -> bool:
    """Say whether a line of shell calls a program of this project."""
    return bool(_OURS.match(text))


def _spans(page: Path) -> Iterator[tuple[int, str]]:
    """Yield the code spans of running text with the line they begin at; blocks are blanked out."""
    text = re.sub(r"^\s*```.*?^\s*```\s*?$", _blank, page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for match in re.finditer(r"`([^`]+)`", text):
        yield text.count("\n", 0, match.start()) + 1, " ".join(match[1].split())


def _blank(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")


def links(page: Path) -> Iterator[str]:
    """Yield the targets of a page's links, without anchors."""
    text = re.sub(r"^\s*```.*?^\s*```\s*?$", _blank, page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    yield from (match[1].partition("#")[0] for match in re.finditer(r"\]\(([^)\s]+)\)", text))
