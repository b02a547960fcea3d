"""Addresses that are none, or not of the web: said so at once, and not tried again."""

from pathlib import Path

import pytest

from tests.fetch.conftest import Notes
from tests.fetch.site import Site
from tests.fetch.test_transfer import fetch
from xstilts_hpc.errors import FetchError


@pytest.mark.parametrize("url", ["http://[bad", "http://127.0.0.1:port/x", "http://127.0.0.1:99999/x"])
def test_what_is_no_address_is_not_tried(tmp_path: Path, notes: Notes, url: str) -> None:
    with pytest.raises(FetchError, match=r"is not an address \(.+\); one begins like https://example.org/"):
        fetch(url, tmp_path, notes)
    assert notes.said == []


def test_a_redirect_to_no_address_is_not_followed(site: Site, tmp_path: Path, notes: Notes) -> None:
    url = site.put("/file", b"", failures=["redirect"], headers={"Location": "http://[bad"})
    with pytest.raises(FetchError, match=rf"{url}: is not an address, or redirects to what is none \(.+\)"):
        fetch(url, tmp_path, notes)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_only_http_is_spoken(tmp_path: Path, notes: Notes, url: str) -> None:
    with pytest.raises(FetchError, match="not an http or https address"):
        fetch(url, tmp_path, notes)


def test_a_machine_without_network_is_told_to_use_another(tmp_path: Path, notes: Notes) -> None:
    with pytest.raises(FetchError, match=r"cannot be reached from here \(.*\); fetch on a login node"):
        fetch("https://nowhere.invalid/x", tmp_path, notes)
    assert notes.said == []
