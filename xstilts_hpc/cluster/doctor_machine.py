"""This machine: Python, packages against what was declared and tested, processors and GPUs, offline or not."""

import os
import platform
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.doctor_check import Check, fine, problem, warning
from xstilts_hpc.cluster.profile import Profile
from xstilts_hpc.errors import ClusterError
from xstilts_hpc.model_files import hub_cache

_CHECKOUT = Path(__file__).resolve().parent.parent.parent
_TRAINING = "train"
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


def machine_checks(profile: Profile) -> list[Check]:
    """Return what is to be said about this machine."""
    checks = [
        fine("python", f"{platform.python_version()} at {sys.executable}"),
        check_packages(declared(), version_of),
        check_tested(tested(), version_of),
        check_offline(profile),
    ]
    return [*checks, check_devices(profile, _gpus())] if profile.kind == "local" else checks


def check_packages(requirements: Iterable[Requirement], version: Callable[[str], str]) -> Check:
    """Check that every package that was declared is here, in a version that was declared."""
    wrong = []
    for wanted in requirements:
        have = version(wanted.name)
        if not have:
            wrong.append(f"{wanted.name} is missing")
        elif not wanted.specifier.contains(have, prereleases=True):
            wrong.append(f"{wanted.name} is {have}, wanted {wanted.specifier}")
    if wrong:
        return problem(
            "packages", "; ".join(wrong), "install them, in the checkout: pip install -e '.[train]' -c constraints.txt"
        )
    return fine("packages", "all that collecting and training need are here")


def check_tested(pins: Mapping[str, str], version: Callable[[str], str]) -> Check:
    """Say which packages have another version than the one that was tested."""
    other = [f"{name} {version(name)} (tested {pin})" for name, pin in pins.items() if version(name) not in ("", pin)]
    local = [item for item in other if item.split()[1].partition("+")[0] == pins[item.split()[0]]]
    other = [item for item in other if item not in local]
    if other:
        return warning(
            "versions", "; ".join(other), "scores may differ in the last digits; constraints.txt has what is tested"
        )
    return fine("versions", "those of constraints.txt" if pins else "constraints.txt is not here to compare with")


def check_offline(profile: Profile) -> Check:
    """Say whether runs may use the network."""
    variables = profile.variables()
    if any(variables.get(name) in ("1", "ON", "YES", "TRUE") for name in _OFFLINE):
        return fine("offline", f"runs do not use the network (HF_HUB_OFFLINE=1): models come from {hub_cache()}")
    found = "HF_HUB_OFFLINE is not 1 in the profile's environment: runs ask the hub, and hang on nodes without network"
    return warning("offline", found, "remove it from environment in the profile")


def check_devices(profile: Profile, gpus: list[str]) -> Check:
    """Say what a local profile has to compute with."""
    cores = len(os.sched_getaffinity(0))
    if profile.num_gpus > len(gpus):
        found = f"gpus_per_node {profile.num_gpus}, but nvidia-smi lists {len(gpus)}"
        return problem("devices", found, "lower gpus_per_node in the profile")
    if gpus:
        return fine("devices", f"{cores} cores, {len(gpus)} GPUs: {', '.join(gpus)}")
    return fine("devices", f"{cores} cores, no GPU that nvidia-smi lists: runs use the cores")


def declared(extra: str = _TRAINING) -> list[Requirement]:
    """Return the packages that this one declares, from its checkout or from its installation."""
    file = _CHECKOUT / "pyproject.toml"
    if file.is_file():
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        return [Requirement(line) for line in (*project["dependencies"], *project["optional-dependencies"][extra])]
    found = [Requirement(line) for line in metadata.requires("xstilts-hpc") or ()]
    return [wanted for wanted in found if not wanted.marker or wanted.marker.evaluate({"extra": extra})]


def tested() -> dict[str, str]:
    """Return the tested version of every package that is declared; none where the checkout is not here."""
    file = _CHECKOUT / "constraints.txt"
    if not file.is_file():
        return {}
    lines = (line.split("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines())
    pins = dict(line.split("==") for line in lines if "==" in line)
    names = {wanted.name for wanted in declared()}
    return {name: pin for name, pin in pins.items() if name in names}


def version_of(name: str) -> str:
    """Return the version of an installed package, "" where it is missing."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _gpus() -> list[str]:
    """Return the names of this machine's GPUs, without loading torch."""
    if not shutil.which("nvidia-smi"):
        return []
    try:
        done = slurm.ask(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    except ClusterError:
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []
