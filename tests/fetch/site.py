"""A small web site on this machine that fails in the ways of real ones."""

import fcntl
import hashlib
import socket
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODIFIED = "Sun, 29 Nov 2026 10:00:00 GMT"


@dataclass
class Page:
    """What is at an address; `failures` are used up first, one a request.

    A failure is a status; half-way "reset" (TCP's own), "short" (the connection ends in order) or "silence"; "change"
    (another content from then on), "shift" (another part than was asked for), "redirect" (to what `headers` say), or ""
    for none.
    """

    content: bytes
    ranges: bool = True
    tag: bool = True
    length: bool = True
    failures: list[int | str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.content).hexdigest()[:16]}"'


@dataclass
class Site:
    """Pages by path, and the requests that came: path and range."""

    url: str = ""
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def put(self, path: str, content: bytes, **how: object) -> str:
        """Put a page at a path and return its address."""
        self.pages[path] = Page(content, **how)  # type: ignore[arg-type] # the fields of Page
        return self.url + path

    def ranges(self) -> list[str]:
        """Return the ranges that were asked for, "" for whole files."""
        return [found for _, found in self.requests]


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        self.site.requests.append((self.path, asked))
        page = self.site.pages.get(self.path.partition("?")[0])
        failure = page.failures.pop(0) if page and page.failures else ""
        if page and failure == "change":
            page.content, failure = page.content[::-1], ""
        if page is None or isinstance(failure, int):
            self.send_error(failure if isinstance(failure, int) else 404)
        else:
            self._give(page, self._start(page, asked), failure)

    def _start(self, page: Page, asked: str) -> int | None:
        """Return the first byte to give, None for the whole page."""
        condition = self.headers.get("If-Range", page.etag)
        whole = not asked or not page.ranges or condition not in (page.etag, MODIFIED)
        return None if whole else int(asked.removeprefix("bytes=").removesuffix("-"))

    def _give(self, page: Page, start: int | None, failure: str) -> None:
        size = len(page.content)
        if start is not None and start >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if start and failure == "shift":
            start, failure = start // 2, ""
        content = page.content[start or 0 :]
        self.send_response(302 if failure == "redirect" else 200 if start is None else 206)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        if page.length:
            self.send_header("Content-Length", str(len(content)))
        if page.tag:
            self.send_header("ETag", page.etag)
        for name, value in page.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if failure else content)
        if failure == "silence":
            self.site_silence.wait(5)
        elif failure == "reset":
            self._reset()

    def _reset(self) -> None:
        """Close with RST in place of FIN, once the other side has all that was sent, or that would be lost."""
        while struct.unpack("i", fcntl.ioctl(self.connection, termios.TIOCOUTQ, bytes(4)))[0]:
            self.site_silence.wait(0.001)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()  # it holds the socket open
        self.connection.close()

    site_silence = threading.Event()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the standard library
        """Print nothing."""


@contextmanager
def running_site() -> Iterator[Site]:
    """Yield a site that answers on this machine."""
    site, ended = Site(), threading.Event()
    handler = type("Handler", (_Handler,), {"site": site, "site_silence": ended})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
