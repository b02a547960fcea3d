"""The hub on a site of this machine: its answers to questions for files, and the files."""

import hashlib
import json
from collections.abc import Mapping

from tests.fetch.archives import sha256
from tests.fetch.site import Site

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git_sha1(content: bytes) -> str:
    """Return git's name of a content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def put_repository(
    site: Site, kind: str, name: str, files: Mapping[str, bytes], *, revision: str = "main", commit: str = COMMIT
) -> None:
    """Put a repository on a site, at a revision: files of more than 20 bytes are large ones, with a SHA-256."""
    siblings = [_sibling(path, content) for path, content in files.items()]
    answer = json.dumps({"id": name, "sha": commit, "siblings": siblings}).encode()
    for known in (revision.replace("/", "%2F"), commit):
        site.put(f"/api/{kind}/{name}/revision/{known}", answer)
    for path, content in files.items():
        site.put(f"/{'' if kind == 'models' else kind + '/'}{name}/resolve/{commit}/{path}", content)


def _sibling(path: str, content: bytes) -> dict[str, object]:
    found: dict[str, object] = {"rfilename": path, "size": len(content), "blobId": git_sha1(content)}
    large = {"sha256": sha256(content), "size": len(content), "pointerSize": 134}
    return {**found, "lfs": large} if len(content) > 20 else found
