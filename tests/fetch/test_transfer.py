"""One file over HTTP: what is resumed, what is tried again, and what is never believed."""

import hashlib
import re
import resource
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fetch.conftest import AT_ONCE, Notes
from tests.fetch.site import MODIFIED, Site, running_site
from xstilts_hpc.disk import FullDiskError
from xstilts_hpc.errors import FetchError
from xstilts_hpc.fetch.transfer import Patience, Received, Wanted, transfer

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def fetch(url: str | tuple[str, ...], folder: Path, notes: Notes, *, known: bool = True) -> Received:
    urls = url if isinstance(url, tuple) else (url,)
    wanted = Wanted(urls, len(CONTENT), SHA256) if known else Wanted(urls)
    return transfer(wanted, folder / "file", notes, replace(AT_ONCE, exhausted=set()))


def begin(folder: Path, site: Site, path: str, notes: Notes) -> None:
    """Leave half of a page on disk, as a process that was killed does."""
    page = site.pages[path]
    page.failures = ["reset", 404]
    with pytest.raises(FetchError):
        fetch(site.url + path, folder, notes, known=False)
    assert (folder / "file.partial").stat().st_size == len(page.content) // 2
    site.requests.clear()


def is_whole(folder: Path) -> bool:
    """Say whether the file is there, and nothing beside it."""
    return [path.name for path in folder.iterdir()] == ["file"] and (folder / "file").read_bytes() == CONTENT


def test_a_file_is_brought_and_verified(site: Site, tmp_path: Path, notes: Notes) -> None:
    url = site.put("/file", CONTENT)
    assert fetch(url, tmp_path, notes) == Received(url, SHA256, len(CONTENT))
    assert is_whole(tmp_path)
    assert (notes.said, notes.sizes[-1]) == ([], len(CONTENT))


BROKEN = {"reset": "ConnectionResetError", "short": "the connection ended after 51,200 of 102,400 bytes"}


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("tag", [True, False])
@pytest.mark.parametrize("how", BROKEN)
def test_after_a_broken_connection_it_goes_on_where_the_disk_ends(
    site: Site, tmp_path: Path, notes: Notes, how: str, *, known: bool, tag: bool
) -> None:
    url = site.put("/file", CONTENT, failures=[how], tag=tag, headers={} if tag else {"Last-Modified": MODIFIED})
    fetch(url, tmp_path, notes, known=known)
    assert is_whole(tmp_path)
    assert site.ranges() == ["", f"bytes={len(CONTENT) // 2}-"]
    assert re.search(rf"{BROKEN[how]}.*; again in 0 s", notes.said[0])


def test_a_later_process_goes_on_where_an_interrupted_one_ended(site: Site, tmp_path: Path, notes: Notes) -> None:
    url = site.put("/file", CONTENT)
    begin(tmp_path, site, "/file", notes)
    fetch(url, tmp_path, notes)
    assert is_whole(tmp_path)
    assert site.ranges() == [f"bytes={len(CONTENT) // 2}-"]


@pytest.mark.parametrize("known", [True, False])
def test_a_server_that_ignores_ranges_sends_it_anew(site: Site, tmp_path: Path, notes: Notes, *, known: bool) -> None:
    url = site.put("/file", CONTENT, ranges=False, failures=["reset"])
    fetch(url, tmp_path, notes, known=known)
    assert is_whole(tmp_path)
    assert len(site.requests) == 2


def test_without_tag_date_and_digest_nothing_is_gone_on_with(site: Site, tmp_path: Path, notes: Notes) -> None:
    url = site.put("/file", CONTENT, tag=False, failures=["reset"])
    fetch(url, tmp_path, notes, known=False)
    assert is_whole(tmp_path)
    assert site.ranges() == ["", ""]


def test_a_file_that_changed_between_two_tries_is_brought_anew(site: Site, tmp_path: Path, notes: Notes) -> None:
    site.put("/file", CONTENT[::-1])
    begin(tmp_path, site, "/file", notes)
    url = site.put("/file", CONTENT)
    fetch(url, tmp_path, notes, known=False)
    assert is_whole(tmp_path)


def test_the_beginning_of_another_file_is_found_out_by_the_digest(site: Site, tmp_path: Path, notes: Notes) -> None:
    site.put("/file", CONTENT)
    begin(tmp_path, site, "/file", notes)
    (tmp_path / "file.partial").write_bytes(b"x" * 700)
    fetch(site.url + "/file", tmp_path, notes)
    assert is_whole(tmp_path)
    assert site.ranges() == ["bytes=700-", ""]
    assert "it had been resumed, so it is downloaded anew" in notes.said[-1]


def test_more_on_disk_than_the_server_has_is_dropped(site: Site, tmp_path: Path, notes: Notes) -> None:
    site.put("/file", CONTENT)
    begin(tmp_path, site, "/file", notes)
    (tmp_path / "file.partial").write_bytes(CONTENT + b"more")
    fetch(site.url + "/file", tmp_path, notes)
    assert is_whole(tmp_path)


def test_a_wrong_digest_is_an_error_and_leaves_nothing(site: Site, tmp_path: Path, notes: Notes) -> None:
    url = site.put("/file", CONTENT[::-1])
    with pytest.raises(FetchError, match=rf"gave a file with SHA-256 [0-9a-f]{{64}}, expected {SHA256}"):
        fetch(url, tmp_path, notes)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_size_is_an_error_before_anything_is_brought(site: Site, tmp_path: Path, notes: Notes) -> None:
    url = site.put("/file", CONTENT + b"more")
    with pytest.raises(FetchError, match="has a file of 102,404 bytes, expected 102,400"):
        fetch(url, tmp_path, notes)
    assert notes.sizes == []


def test_a_missing_file_names_every_url_that_was_tried(site: Site, tmp_path: Path, notes: Notes) -> None:
    urls = (f"{site.url}/no", f"{site.url}/neither")
    with pytest.raises(FetchError, match=rf"{urls[0]}: answers 404 Not Found\n  {urls[1]}: answers 404 Not Found"):
        fetch(urls, tmp_path, notes)
    assert len(site.requests) == 2


@pytest.mark.parametrize("page", [None, CONTENT[::-1]])
def test_a_mirror_is_asked_where_the_publisher_fails(
    site: Site, tmp_path: Path, notes: Notes, page: bytes | None
) -> None:
    if page:
        site.put("/file", page)
    mirror = site.put("/mirror", CONTENT)
    assert fetch((site.url + "/file", mirror), tmp_path, notes).url == mirror
    assert notes.said[-1].endswith(f"; now from {mirror}")
    assert is_whole(tmp_path)


def test_a_mirror_goes_on_where_the_publisher_ended(site: Site, tmp_path: Path, notes: Notes) -> None:
    url = site.put("/file", CONTENT, failures=["reset", 404])
    mirror = site.put("/mirror", CONTENT)
    fetch((url, mirror), tmp_path, notes)
    assert is_whole(tmp_path)
    assert site.requests[-1] == ("/mirror", f"bytes={len(CONTENT) // 2}-")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_failure_is_tried_again(site: Site, tmp_path: Path, notes: Notes, status: int) -> None:
    url = site.put("/file", CONTENT, failures=[status, status])
    fetch(url, tmp_path, notes)
    assert is_whole(tmp_path)
    assert len(site.requests) == 3


def test_a_failure_that_does_not_pass_ends_it(site: Site, tmp_path: Path, notes: Notes) -> None:
    url = site.put("/file", CONTENT, failures=[503] * 3)
    with pytest.raises(FetchError, match=r"answers 503 Service Unavailable \(tried 3 times\)"):
        fetch(url, tmp_path, notes)
    assert len(site.requests) == 3


def test_a_silent_server_is_not_waited_for_forever(site: Site, tmp_path: Path, notes: Notes) -> None:
    url = site.put("/file", CONTENT, failures=["silence"])
    wanted = Wanted((url,), len(CONTENT), SHA256)
    transfer(wanted, tmp_path / "file", notes, Patience(tries=10, wait_s=0.0, silence_s=0.2))
    assert is_whole(tmp_path)
    assert f"{url}: no data for 0.2 s" in notes.said[0]


def test_a_host_that_patience_is_exhausted_with_is_asked_once(site: Site, tmp_path: Path, notes: Notes) -> None:
    url, patience = site.put("/file", CONTENT, failures=[503] * 4), Patience(tries=3, wait_s=0.0)
    for name, tried in (("a", "tried 3 times"), ("b", "tried 1 times")):
        with pytest.raises(FetchError, match=tried):
            transfer(Wanted((url,), len(CONTENT), SHA256), tmp_path / name, notes, patience)
    transfer(Wanted((url,), len(CONTENT), SHA256), tmp_path / "c", notes, patience)
    assert (len(site.requests), patience.exhausted) == (5, set())


def test_a_host_that_patience_is_exhausted_with_has_a_moment_to_answer(
    site: Site, tmp_path: Path, notes: Notes
) -> None:
    url = site.put("/file", CONTENT, failures=["silence"])
    patience = Patience(silence_s=600.0, brief_s=0.2, exhausted={urlsplit(url).netloc})
    with pytest.raises(FetchError, match=r"no data for 0.2 s \(tried 1 times\)"):
        transfer(Wanted((url,), len(CONTENT), SHA256), tmp_path / "a", notes, patience)


def test_nobody_there_is_an_error(site: Site, tmp_path: Path, notes: Notes) -> None:
    with pytest.raises(FetchError, match=r"http://127\.0\.0\.1:1/x: ConnectionRefusedError: .* \(tried 3 times\)"):
        fetch("http://127.0.0.1:1/x", tmp_path, notes)


def test_an_answer_that_does_not_say_its_length_is_not_believed(site: Site, tmp_path: Path, notes: Notes) -> None:
    url = site.put("/file", CONTENT, length=False, failures=["short"])
    with pytest.raises(FetchError, match="does not say where the file ends"):
        fetch(url, tmp_path, notes, known=False)


def test_a_web_page_instead_of_a_file_is_not_believed(site: Site, tmp_path: Path, notes: Notes) -> None:
    url = site.put("/file", b"<html>log in</html>", headers={"Content-Type": "text/html; charset=utf-8"})
    with pytest.raises(FetchError, match="answers with a web page, not with the file"):
        fetch(url, tmp_path, notes, known=False)


def test_a_full_disk_is_an_error_and_what_came_is_gone_on_with(site: Site, tmp_path: Path, notes: Notes) -> None:
    url = site.put("/file", CONTENT)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limits[1]))
    try:
        with pytest.raises(FullDiskError, match=r"the disk \(or a quota\) is full; make room"):
            fetch(url, tmp_path, notes)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    fetch(url, tmp_path, notes)
    assert is_whole(tmp_path)
    assert site.ranges() == ["", "bytes=60000-"]


def test_a_file_larger_than_what_is_free_is_not_begun(site: Site, tmp_path: Path, notes: Notes) -> None:
    url = site.put("/file", b"", length=False, headers={"Content-Length": str(1 << 60)})
    with pytest.raises(
        FullDiskError, match=r"1,152,921,504,606,846,976 bytes of file are to come, but only [\d,]+ are"
    ):
        transfer(Wanted((url,)), tmp_path / "file", notes, AT_ONCE)


@given(
    failures=st.lists(st.sampled_from(["reset", "short", "change", "shift", "", 503, 404]), max_size=8),
    page=st.fixed_dictionaries({"ranges": st.booleans(), "tag": st.booleans(), "length": st.booleans()}),
    known=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_whatever_fails_a_wrong_file_is_never_believed(
    failures: list[int | str], page: dict[str, bool], *, known: bool
) -> None:
    with running_site() as site, tempfile.TemporaryDirectory() as name:
        url = site.put("/file", CONTENT, failures=failures, **page)
        for _ in range(3):
            with suppress(FetchError):
                fetch(url, Path(name), Notes(), known=known)
        found = Path(name, "file")
        # Without a digest both contents that the page had are right, but nothing between them.
        right = [CONTENT] if known else [CONTENT, CONTENT[::-1]]
        assert not found.exists() or found.read_bytes() in right


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl, to make a certificate")
def test_a_certificate_that_is_not_trusted_is_said_so(site: Site, tmp_path: Path, notes: Notes) -> None:
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1"]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    with encrypted(key, certificate) as url, pytest.raises(FetchError, match="its certificate is not trusted here"):
        fetch(url, tmp_path / "data", notes)


@contextmanager
def encrypted(key: Path, certificate: Path) -> Iterator[str]:
    """Yield the address of a server that shakes hands once, with a certificate of its own making."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=shake_hands, args=(server, context))
        thread.start()
        yield f"https://127.0.0.1:{server.getsockname()[1]}/file"
        thread.join()


def shake_hands(server: socket.socket, context: ssl.SSLContext) -> None:
    connection, _ = server.accept()
    with connection, suppress(ssl.SSLError):
        context.wrap_socket(connection, server_side=True).close()


def test_a_proxy_of_the_environment_is_used(
    site: Site, tmp_path: Path, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.put("http://publisher.invalid/file", CONTENT)
    monkeypatch.setenv("http_proxy", site.url)
    monkeypatch.delenv("no_proxy", raising=False)
    fetch("http://publisher.invalid/file", tmp_path, notes)
    assert is_whole(tmp_path)
