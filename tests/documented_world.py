"""A folder like the one a reader has after installing: the shipped files, the miniature world, grids to try."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tests.documented import TOP, Command, blocks

# What a reader puts in for what a page leaves open.
_PLACEHOLDERS = {"RUN": "mnli_300", "GRID": "grids/x.yaml", "DIR": "exported", "PROFILE": "local", "NAME": "local"}
NEEDS_SLURM = "needs Slurm; tests/cluster/test_docs_slurm.py gives it to a real one"
_STUDY = "needs the study's data and a GPU; tests/test_shipped_grids.py plans these grids"
_HOURS = "takes minutes to hours"
GIVEN_DATA = r"^xstilts (data|model) (fetch|import|check)\b"
# Every command that is parsed but not executed here, and why: it needs what a test machine has not, or another test
# gives it. What matches nothing below is executed.
NOT_EXECUTED = {
    r"^xstilts submit grids/(size_sweep|phang2020|xtreme_baseline|mlm|translated)": _STUDY,
    r"^xstilts (status|collect|export) (size_sweep|phang2020|xtreme_baseline)": _STUDY,
    r"real_(smoke|all)|tools/random_model.py": "needs XLM-R's tokenizer; tests/cluster/test_real_data.py submits them",
    r"^xstilts (submit|doctor|retry) .*--profile (mycluster|devcluster)": NEEDS_SLURM,
    r"--write-profile|^sbatch ": NEEDS_SLURM,
    r"^tools/devcluster": "starts daemons; tests/cluster/test_devcluster_verbs.py gives every verb",
    GIVEN_DATA: "tests/test_docs_data.py gives it, with a site of this machine and small data",
    r"^make (demo|test|check|bench|docs|fuzz)|^xstilts demo": f"{_HOURS}; tests/test_demo.py runs the demonstration",
    r"^python tools/bench_": f"{_HOURS}; the benchmarks of `make bench` and a GPU",
    r"^python -m pytest": "are the tests themselves",
}
_STEPS = 20


def reason_not_to(text: str) -> str:
    """Return why a command is not executed, "" where it is."""
    return next((reason for pattern, reason in NOT_EXECUTED.items() if re.search(pattern, text)), "")


def yaml_with(page: Path, line: str) -> list[str]:
    """Return the YAML blocks of a page that hold a line."""
    return [block.text for block in blocks(page) if block.language == "yaml" and line in block.text]


def make_world(folder: Path, first_grid: str, profile: str) -> Path:
    """Write the world into a folder: experiments/miniature with a hardly pretrained model, grids/x.yaml, profiles."""
    from xstilts_hpc.miniature import files
    from xstilts_hpc.miniature.build import build_model
    from xstilts_hpc.miniature.pretrain import Pretraining

    for name in ("grids", "slurm", "tools"):
        shutil.copytree(TOP / name, folder / name)
    (folder / "xstilts_hpc").symlink_to(TOP / "xstilts_hpc")
    miniature = folder / "experiments" / "miniature"
    files.write_data(miniature / "data", progress=lambda text, fraction: None)
    build_model(miniature, replace(Pretraining(), steps=_STEPS), progress=lambda text, fraction: None, threads=1)
    (folder / "grids" / "x.yaml").write_text(first_grid.replace("name: first", "name: x"), encoding="utf-8")
    (folder / "slurm" / "profiles" / "mycluster.yaml").write_text(profile, encoding="utf-8")
    programs = folder / "bin"
    programs.mkdir()
    _write_program(programs / "xstilts", f'exec "{sys.executable}" -m xstilts_hpc "$@"')
    _write_program(programs / "python", f'exec "{sys.executable}" "$@"')
    return folder


def _write_program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    path.chmod(0o755)


def filled_in(command: Command) -> str:
    """Return a command with its placeholders replaced."""
    return re.sub(r"\b(RUN|GRID|DIR|PROFILE|NAME)\b(\.yaml)?", lambda match: _PLACEHOLDERS[match[1]], command.text)


def execute(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in the world."""
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(TOP),
        "COLUMNS": "200",
        "NO_COLOR": "1",
    }
    return subprocess.run(
        ["bash", "-c", text],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
