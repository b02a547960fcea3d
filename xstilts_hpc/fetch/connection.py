"""One HTTP request: headers, proxies of the environment, redirects, and what kind of failure an answer is."""

import errno
import http.client
import socket
import ssl
import urllib.error
import urllib.request
from typing import IO, Any
from urllib.parse import urlsplit

from xstilts_hpc.version import VERSION

# Answers after which the same request may succeed later.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524})
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
_SCHEMES = ("http", "https")


class PassingError(Exception):
    """This try failed, another may succeed; `wait_s` is how long the server asks to wait."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        """Keep the reason and the wait."""
        super().__init__(reason)
        self.wait_s = wait_s


class LastingError(Exception):
    """This URL does not give the file, however often it is asked."""


class RangeError(Exception):
    """The server has no bytes from there on: what is on disk is whole, or is of another file."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, except from an encrypted address to one that is not."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the request to the new address."""
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise LastingError(f"redirects to {newurl}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def host_of(url: str) -> str:
    """Return the host of a URL, with its port; LastingError where it is no address of a file on the web."""
    try:
        parts = urlsplit(url)
        if parts.port == 0:
            raise ValueError("port 0")
    except ValueError as error:
        raise LastingError(f"is not an address ({error}); one begins like https://example.org/") from error
    if parts.scheme not in _SCHEMES:
        raise LastingError("not an http or https address")
    return parts.netloc


def open_url(url: str, headers: dict[str, str], *, silence_s: float) -> http.client.HTTPResponse:
    """Return the answer to a GET; PassingError, LastingError or RangeError where it is none to read from.

    No data for `silence_s` is a TimeoutError, here and when the answer is read.
    """
    host_of(url)
    sent = {"User-Agent": f"xstilts/{VERSION}", "Accept-Encoding": "identity", **headers}
    opener = urllib.request.build_opener(_Redirects)
    try:
        answer: Any = opener.open(urllib.request.Request(url, headers=sent), timeout=silence_s)
    except urllib.error.HTTPError as error:
        error.close()
        raise _failure(error) from error
    except (OSError, http.client.HTTPException, UnicodeError) as error:  # URLError is an OSError
        raise _unreachable(error, silence_s) from error
    except ValueError as error:
        raise LastingError(f"is not an address, or redirects to what is none ({error})") from error
    coding = answer.headers.get("Content-Encoding", "identity")
    if coding != "identity":
        answer.close()
        raise LastingError(f"sends it in the encoding {coding}, although asked for it as it is")
    return answer  # type: ignore[no-any-return] # urllib does not say what it returns


def read_some(answer: http.client.HTTPResponse, size: int, *, silence_s: float) -> bytes:
    """Return up to `size` bytes of an answer, b"" at its end; PassingError where the connection breaks."""
    try:
        return answer.read1(size)
    except (OSError, http.client.HTTPException) as error:
        raise PassingError(_reason(error, silence_s)) from error


def _failure(error: urllib.error.HTTPError) -> Exception:
    answer = f"answers {error.code} {error.reason}"
    if error.code == 416:
        return RangeError(error.headers.get("Content-Range", ""))
    if error.code in _PASSING:
        return PassingError(answer, _seconds(error.headers.get("Retry-After", "")))
    return LastingError(answer)


def _unreachable(error: Exception, silence_s: float) -> Exception:
    """Return what a connection that did not come about says: one without a way there is not tried again."""
    cause = getattr(error, "reason", error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return LastingError(
            f"its certificate is not trusted here ({cause.verify_message}); set SSL_CERT_FILE to the file of those "
            "that your site trusts"
        )
    if isinstance(cause, socket.gaierror) or getattr(cause, "errno", 0) in _NO_WAY:
        return LastingError(
            f"cannot be reached from here ({cause}); fetch on a login node, and where that needs a proxy, set "
            "https_proxy"
        )
    return PassingError(_reason(error, silence_s))


def _seconds(text: str) -> float:
    """Return the wait that a server asks for in seconds; dates are not read."""
    return float(text) if text.isdecimal() else 0.0


def _reason(error: Exception, silence_s: float) -> str:
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return f"no data for {silence_s:g} s"
    return f"{type(cause).__name__}: {cause}" if isinstance(cause, Exception) else str(cause)
