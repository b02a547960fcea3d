"""Archives: the members that are needed become whole files, and nothing is written elsewhere."""

import gzip
import io
import random
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.fetch.archives import tar_of, zip_of
from xstilts_hpc.errors import FetchError
from xstilts_hpc.fetch.unpack import unpack
from xstilts_hpc.files import sha256_of
from xstilts_hpc.tasks.download import Download


def download(name: str, *members: str, to: str = "") -> Download:
    return Download((f"https://publisher.invalid/{name}",), to, members)


def written(data: Path) -> dict[str, bytes]:
    """Return every file in a folder."""
    return {str(path.relative_to(data)): path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file()}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar"])
def test_only_the_needed_members_are_unpacked(tmp_path: Path, data: Path, name: str) -> None:
    files = {"top/one.tsv": b"1", "top/deep/two.tsv": b"2", "top/three.tsv": b"3", "__MACOSX/top/one.tsv": b"?"}
    archive = zip_of(tmp_path / name, files) if name.endswith(".zip") else tar_of(tmp_path / name, files)
    found = unpack(archive, download(name, "top/one.tsv", "top/*/two.tsv", to="task"), data, owned=set())
    assert written(data) == {"task/top/one.tsv": b"1", "task/top/deep/two.tsv": b"2"}
    assert {path: (file.sha256, file.bytes) for path, file in found.items()} == {
        path: (sha256_of(data / path), 1) for path in ("task/top/one.tsv", "task/top/deep/two.tsv")
    }


def test_members_may_begin_with_a_dot(tmp_path: Path, data: Path) -> None:
    archive = tar_of(tmp_path / "a.tgz", {"./top/one.tsv": b"1"})
    unpack(archive, download("a.tgz", "top/one.tsv"), data, owned=set())
    assert written(data) == {"top/one.tsv": b"1"}


def test_plain_and_compressed_files_go_to_their_place(tmp_path: Path, data: Path) -> None:
    (tmp_path / "plain").write_bytes(b"text")
    (tmp_path / "packed").write_bytes(gzip.compress(b"text"))
    unpack(tmp_path / "plain", download("a.jsonl", to="task/a.jsonl"), data, owned=set())
    unpack(tmp_path / "packed", download("b.jsonl.gz", to="task/b.jsonl"), data, owned=set())
    assert written(data) == {"task/a.jsonl": b"text", "task/b.jsonl": b"text"}


def evil_tar(path: Path, name: str, kind: bytes) -> Path:
    """Write an archive with one member of a kind that archives should not have, which points outside."""
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "../../outside"
        member.size = 4 if kind == tarfile.REGTYPE else 0
        archive.addfile(member, io.BytesIO(b"evil"))
    return path


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, data: Path, kind: bytes) -> None:
    archive = evil_tar(tmp_path / "a.tgz", "top/one.tsv", kind)
    with pytest.raises(FetchError, match=r"the member 'top/one.tsv' is a link or a device"):
        unpack(archive, download("a.tgz", "top/*"), data, owned=set())
    assert written(data) == {}


def test_links_in_a_zip_are_refused(tmp_path: Path, data: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        member = zipfile.ZipInfo("top/one.tsv")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "../../outside")
    with pytest.raises(FetchError, match=r"the member 'top/one.tsv' is a link or a device"):
        unpack(tmp_path / "a.zip", download("a.zip", "top/one.tsv"), data, owned=set())
    assert written(data) == {}


@pytest.mark.parametrize("name", ["../outside", "/outside", "top/../../outside", "..\\outside"])
@pytest.mark.parametrize("ending", [".zip", ".tgz"])
def test_members_that_lead_outside_are_refused(tmp_path: Path, data: Path, name: str, ending: str) -> None:
    archive = (zip_of if ending == ".zip" else tar_of)(tmp_path / f"a{ending}", {name: b"evil"})
    with pytest.raises(FetchError, match="leads out of the folder"):
        unpack(archive, download(f"a{ending}", "*", "*/*", "*/*/*", "*/*/*/*"), data, owned=set())
    assert not (tmp_path / "outside").exists()
    assert written(data) == {}


def test_members_that_nobody_asked_for_do_no_harm(tmp_path: Path, data: Path) -> None:
    archive = tar_of(tmp_path / "a.tgz", {"../outside": b"evil", "top/one.tsv": b"1"})
    unpack(archive, download("a.tgz", "top/one.tsv"), data, owned=set())
    assert written(tmp_path / "data") == {"top/one.tsv": b"1"}
    assert not (tmp_path / "outside").exists()


def test_an_archive_without_a_needed_member_is_refused(tmp_path: Path, data: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"top/one.tsv": b"1"})
    with pytest.raises(FetchError, match=r"the archive has no top/two.tsv \(1 such\); is it another release\?"):
        unpack(archive, download("a.zip", "top/one.tsv", "top/two.tsv"), data, owned=set())


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar.bz2"])
def test_a_damaged_archive_is_an_error(tmp_path: Path, data: Path, name: str) -> None:
    content = bytes(range(256)) * 100
    archive = (zip_of if name == "a.zip" else tar_of)(tmp_path / name, {"top/one.tsv": content})
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FetchError, match="the archive cannot be unpacked"):
        unpack(archive, download(name, "top/one.tsv"), data, owned=set())
    assert written(data) == {}


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar.bz2"])
@pytest.mark.parametrize("place", [0.3, 0.5, 0.7])
def test_changed_bytes_in_an_archive_are_an_error(tmp_path: Path, data: Path, name: str, place: float) -> None:
    content = random.Random(0).randbytes(300_000)
    archive = (zip_of if name == "a.zip" else tar_of)(tmp_path / name, {"top/one.tsv": content})
    damaged = bytearray(archive.read_bytes())
    damaged[int(len(damaged) * place)] ^= 0xFF
    archive.write_bytes(damaged)
    with pytest.raises(FetchError, match="the archive cannot be unpacked"):
        unpack(archive, download(name, "top/one.tsv"), data, owned=set())
    assert written(data) == {}


def test_a_damaged_compressed_file_is_an_error(tmp_path: Path, data: Path) -> None:
    (tmp_path / "a").write_bytes(gzip.compress(b"text" * 1000)[:-9])
    with pytest.raises(FetchError, match="the archive cannot be unpacked"):
        unpack(tmp_path / "a", download("a.jsonl.gz", to="a.jsonl"), data, owned=set())
    assert written(data) == {}


def test_a_file_of_the_users_own_is_not_overwritten(tmp_path: Path, data: Path) -> None:
    (tmp_path / "new").write_bytes(b"new")
    (data / "a.tsv").write_bytes(b"mine")
    wanted = download("a.tsv", to="a.tsv")
    with pytest.raises(FetchError, match="is there with other content, and was not fetched; move it away"):
        unpack(tmp_path / "new", wanted, data, owned=set())
    assert written(data) == {"a.tsv": b"mine"}
    unpack(tmp_path / "new", wanted, data, owned={"a.tsv"})
    assert written(data) == {"a.tsv": b"new"}


def test_an_encrypted_member_is_refused(tmp_path: Path, data: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"top/one.tsv": b"1"})
    content = bytearray(archive.read_bytes())
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + place] |= 1
    archive.write_bytes(content)
    with pytest.raises(FetchError, match=r"the member 'top/one.tsv' is encrypted"):
        unpack(archive, download("a.zip", "top/one.tsv"), data, owned=set())
    assert written(data) == {}


@pytest.mark.parametrize("owned", [set(), {"a.tsv"}])
def test_a_folder_in_the_place_of_a_file_is_an_error(tmp_path: Path, data: Path, owned: set[str]) -> None:
    (tmp_path / "new").write_bytes(b"new")
    (data / "a.tsv").mkdir()
    with pytest.raises(FetchError, match=r"a.tsv is a folder, expected a file; move it away and fetch again"):
        unpack(tmp_path / "new", download("a.tsv", to="a.tsv"), data, owned=owned)
    assert [path.name for path in data.iterdir()] == ["a.tsv"]
