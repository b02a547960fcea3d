"""What a wheel and a source archive are told beyond pyproject.toml: the commit they are built from."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

sys.path.insert(0, str(Path(__file__).parent))

from xstilts_hpc.version import CODE_RECORD, running_code


def write_code(top: Path) -> None:
    """Write which code this is into the package under a folder; `xstilts --version` and every record say it."""
    (top / "xstilts_hpc" / CODE_RECORD).write_text(json.dumps(asdict(running_code())) + "\n", encoding="utf-8")


class BuildPackage(build_py):
    """Copy the package, and say which code it is."""

    def run(self) -> None:
        """Do it, except where the checkout itself is installed: there git answers."""
        super().run()
        if not self.editable_mode:
            write_code(Path(self.build_lib))


class SourceArchive(sdist):
    """Copy the checkout, and say which code it is."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """Do it."""
        super().make_release_tree(base_dir, files)
        write_code(Path(base_dir))


setup(cmdclass={"build_py": BuildPackage, "sdist": SourceArchive})
