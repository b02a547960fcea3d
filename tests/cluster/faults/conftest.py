"""The undisturbed grid that every disturbed one is compared with."""

from typing import Any

import pytest

from tests.cluster.faults.campaign import CHILDREN, PARENTS, Campaign, Undisturbed
from xstilts_hpc.cluster.devcluster import DevCluster


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny_model: Any, devcluster: DevCluster) -> Undisturbed:
    """Return the scores and logits of all twelve runs, by name, where nothing went wrong."""
    campaign = Campaign.prepare(tmp_path_factory.mktemp("undisturbed") / "root", tiny_model, devcluster)
    campaign.submit()
    campaign.wait_for_end()
    scores = campaign.scores()
    assert set(scores) == {*PARENTS, *CHILDREN}
    assert [len(campaign.run(name).attempts()) for name in scores] == [1] * 12
    return Undisturbed(scores, campaign.logits())
