"""Check the sizes that keep code readable: functions of at most 40 lines, modules of at most 300."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_FUNCTION, MAX_MODULE, MAX_README = 40, 300, 220
ROOT = Path(__file__).resolve().parent.parent


def problems() -> Iterator[str]:
    """Yield a line for everything that is too long."""
    scripts = [path for path in (ROOT / "tools").iterdir() if path.suffix == ".py" or path.name == "devcluster"]
    for path in sorted([*(ROOT / "xstilts_hpc").rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *scripts]):
        text = path.read_text(encoding="utf-8")
        name, length = path.relative_to(ROOT), len(text.splitlines())
        if length > MAX_MODULE:
            yield f"{name}: {length} lines, at most {MAX_MODULE}: split it"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION:
                    yield f"{name}:{node.lineno}: {node.name} has {lines} lines, at most {MAX_FUNCTION}"
    readme = len((ROOT / "README.md").read_text(encoding="utf-8").splitlines())
    if readme > MAX_README:
        yield f"README.md: {readme} lines, at most {MAX_README}"


if __name__ == "__main__":
    found = list(problems())
    print("\n".join(found), end="\n" if found else "")
    sys.exit(bool(found))
