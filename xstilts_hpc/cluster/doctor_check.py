"""One finding of the doctor, and how findings are told."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from xstilts_hpc.errors import ClusterError, XstiltsError


class Level(StrEnum):
    """How grave a finding is: a warning costs time or comfort, with a problem runs fail."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Area(StrEnum):
    """What a finding is about."""

    CLUSTER = "cluster"
    MACHINE = "machine"
    ROOT = "root"
    GRID = "grid"
    NODE = "node"


@dataclass(frozen=True)
class Check:
    """What was looked at, how it stands, what was found and what that means, and the next step ("": none)."""

    name: str
    level: Level
    found: str
    next: str = ""


Findings = Mapping[Area, Sequence[Check]]
_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "bold red"}
_REFUSING = (Area.CLUSTER, Area.NODE)


def fine(name: str, found: str) -> Check:
    """Return a finding that needs nothing."""
    return Check(name, Level.OK, found)


def warning(name: str, found: str, then: str = "") -> Check:
    """Return a finding that costs time or comfort."""
    return Check(name, Level.WARNING, found, then)


def problem(name: str, found: str, then: str) -> Check:
    """Return a finding with which runs fail."""
    return Check(name, Level.PROBLEM, found, then)


def exit_code(findings: Findings) -> int:
    """Return 0 without a problem, 5 where the cluster is in the way, 3 where grid, data, root or machine are."""
    bad = {area for area, checks in findings.items() for check in checks if check.level is Level.PROBLEM}
    if not bad:
        return 0
    return ClusterError.exit_code if bad & {*_REFUSING} else XstiltsError.exit_code


def findings_json(findings: Findings) -> list[dict[str, Any]]:
    """Return findings as JSON."""
    return [{"area": str(area), **asdict(check)} for area, checks in findings.items() for check in checks]


def findings_table(findings: Findings) -> RenderableType:
    """Return findings as a table with an area after the other, and their number by level below it."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for area, checks in findings.items():
        table.add_row(Text(str(area), style="bold"))
        for check in checks:
            table.add_row(Text(check.level, style=_STYLES[check.level]), Text(check.name), Text(check.found))
            if check.next:
                table.add_row("", "", Text(f"-> {check.next}"))
    return Group(table, Text(_counted(check for checks in findings.values() for check in checks)))


def _counted(checks: Iterable[Check]) -> str:
    levels = [check.level for check in checks]
    return f"{len(levels)} checks: " + ", ".join(f"{levels.count(level)} {level}" for level in Level)
