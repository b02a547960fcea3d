"""The pages of docs/ build as a site."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.documented import TOP


def test_the_pages_build_as_a_site_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="needs the extra docs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", "tools/mkdocs.yml", "-d", str(tmp_path)]
    answer = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "faq" / "index.html").is_file()
