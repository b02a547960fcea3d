"""Nothing but the package of downloads opens connections, and nothing but its two commands imports that."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "xstilts_hpc"
NETWORK = ("urllib.request", "urllib.error", "http", "ftplib", "smtplib", "requests", "httpx", "huggingface_hub")
SETTINGS = {"huggingface_hub.constants"}  # read by the hub's client, to keep it offline
ELSEWHERE = [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent.name != "fetch"]


def imported(path: Path) -> Iterator[str]:
    """Yield the names of the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def test_the_package_of_downloads_is_what_is_looked_for() -> None:
    assert any(is_within(name, NETWORK) for name in imported(PACKAGE / "fetch" / "connection.py"))


def test_no_other_module_can_download() -> None:
    for path in ELSEWHERE:
        found = {name for name in imported(path) if is_within(name, NETWORK)} - SETTINGS
        if path != PACKAGE / "commands" / "fetching.py":
            found |= {name for name in imported(path) if is_within(name, ("xstilts_hpc.fetch",))}
        assert found == set(), path
