"""What tests of downloads use: a site on this machine, and somebody who notes what is said."""

from collections.abc import Iterator

import pytest

from tests.fetch.site import Site, running_site
from xstilts_hpc.fetch.transfer import Patience

# Tests do not wait.
AT_ONCE = Patience(tries=3, wait_s=0.0, silence_s=10.0)


class Notes:
    """Notes what a transfer tells; implements `transfer.Watcher`."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.sizes: list[int] = []

    def grown(self, num_bytes: int, total: int) -> None:
        self.sizes.append(num_bytes)

    def says(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Return a site on this machine, which no proxy of the environment stands before."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with running_site() as found:
        yield found
