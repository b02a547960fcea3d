"""What the tests need installed."""

import os

import pytest

from xstilts_hpc.cluster.devcluster import missing_binaries


def require_programs(*, accounting: bool) -> None:
    """Skip where Slurm's programs are missing; where XSTILTS_REQUIRE_SLURM is 1 their absence is a failure."""
    missing = missing_binaries(accounting=accounting)
    if missing and os.environ.get("XSTILTS_REQUIRE_SLURM") == "1":
        pytest.fail(f"XSTILTS_REQUIRE_SLURM=1, but this machine lacks {', '.join(missing)}")
    if missing:
        pytest.skip(f"needs a real Slurm; this machine lacks {', '.join(missing)}")
