"""Can this machine, this cluster, run it? Facts are gathered once, then judged by small checks."""

from dataclasses import dataclass
from pathlib import Path

from xstilts_hpc.cluster.doctor_check import Area, Check, Findings, fine, problem
from xstilts_hpc.cluster.doctor_facts import Cluster, ask_cluster
from xstilts_hpc.cluster.doctor_grid import check_any_data, diagnose
from xstilts_hpc.cluster.doctor_machine import machine_checks
from xstilts_hpc.cluster.doctor_root import look_at, root_checks
from xstilts_hpc.cluster.doctor_slurm import cluster_checks
from xstilts_hpc.cluster.profile import Profile
from xstilts_hpc.errors import ClusterError


@dataclass(frozen=True)
class Patient:
    """What is examined: a profile on this machine with this root, and a grid file where one is named."""

    profile: Profile
    root: Path
    grid: Path | None = None


def examine(patient: Patient) -> Findings:
    """Return what is found without submitting anything."""
    profile, root = patient.profile, patient.root
    need, grid = None, [check_any_data(root)]
    if patient.grid:
        diagnosis = diagnose(patient.grid, root)
        need, grid = diagnosis.need, list(diagnosis.checks)
    return {
        Area.CLUSTER: _cluster_area(profile),
        Area.MACHINE: machine_checks(profile),
        Area.ROOT: root_checks(profile, look_at(root), need),
        Area.GRID: grid,
    }


def _cluster_area(profile: Profile) -> list[Check]:
    """Return what is to be said about Slurm; a profile of this machine does without."""
    if profile.kind == "local":
        return [fine("slurm", "not used by a local profile; name one of a cluster with --profile")]
    try:
        cluster: Cluster = ask_cluster()
    except ClusterError as silent:
        return [problem("slurm", str(silent), "run the doctor again where Slurm's commands answer")]
    return cluster_checks(profile, cluster)
