"""A real Slurm for the tests of a session."""

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.programs import require_programs
from tests.waiting import wait_until
from xstilts_hpc.cluster.devcluster import ClusterSettings, DevCluster


@pytest.fixture(scope="session")
def devcluster() -> Iterator[DevCluster]:
    """Give a running cluster of two nodes, without accounting, that SLURM_CONF leads to."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def _empty_queue(request: pytest.FixtureRequest) -> Iterator[None]:
    """Cancel what a test left in the cluster of the session, such as a collector: the next one finds idle nodes."""
    yield
    if "devcluster" in request.fixturenames and os.environ.get("SLURM_CONF"):
        subprocess.run(["scancel", f"--user={getpass.getuser()}"], check=False, timeout=60)
        wait_until(lambda: not _queue(), "an empty queue")


def _queue() -> str:
    return subprocess.run(["squeue", "-h"], capture_output=True, text=True, check=True, timeout=60).stdout


@contextmanager
def running_cluster(**settings: int) -> Iterator[DevCluster]:
    """Run a cluster with some settings that are not the usual ones; SLURM_CONF leads to it meanwhile."""
    require_programs(accounting=False)
    folder = make_cluster_folder()
    cluster = DevCluster(ClusterSettings(folder=folder, **settings))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("SLURM", "SBATCH_", "SRUN_"))]:
            patch.delenv(name)
        for name, value in cluster.environment().items():
            patch.setenv(name, value)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
            shutil.rmtree(folder)


@pytest.fixture
def cluster_folder() -> Iterator[Path]:
    """Give an empty folder with a path short enough for a cluster's sockets; stop what a failed test left in it."""
    folder = make_cluster_folder()
    yield folder
    DevCluster(ClusterSettings(folder=folder)).stop()
    shutil.rmtree(folder)


def make_cluster_folder() -> Path:
    """Make an empty folder for a cluster, in memory where there is such a place."""
    shared_memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="xs-", dir=shared_memory if shared_memory.is_dir() else None))
