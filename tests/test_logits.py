"""The logits file: what goes in comes out, and damage never goes unnoticed."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.logits_samples import (
    EVERY_KIND,
    NO_WORDS,
    SEQUENCE,
    SPAN,
    TOKEN,
    UNANSWERED,
    datasets,
    header,
    same,
    written,
)
from xstilts_hpc.errors import LogitsError
from xstilts_hpc.logits import Logits, SequenceLogits, write_logits
from xstilts_hpc.logits_file import data_digests, merge_logits, read_header, read_logits


@EVERY_KIND
def test_logits_are_read_back_as_they_were_written(tmp_path: Path, kind: str, logits: Logits) -> None:
    path = written(tmp_path, kind, sw=logits, de=logits)
    found = read_logits(path)
    assert set(found) == {"de", "sw"}
    assert all(same(item, logits) for item in found.values())
    assert list(read_logits(str(path), ["de"])) == ["de"]
    assert list(tmp_path.iterdir()) == [path]


@EVERY_KIND
def test_plain_h5py_opens_the_file_and_every_dataset_is_checksummed(tmp_path: Path, kind: str, logits: Logits) -> None:
    with h5py.File(written(tmp_path, kind, sw=logits), "r") as file:
        group = file["sw"]
        assert (file.attrs["schema"], file.attrs["kind"], file.attrs["run"]) == (
            3,
            kind.encode(),
            b"mnli_full_s0-0123456789",
        )
        assert (group.attrs["examples"], bool(group.attrs["complete"])) == (len(logits.example_id), True)
        assert all(dataset.fletcher32 for dataset in datasets(group) if dataset.size)
        assert all(dataset.compression is None for dataset in datasets(group))
        assert [text.decode() for text in group["example_id"][()]] == list(logits.example_id)


def test_header_and_digests_are_read_without_the_logits(tmp_path: Path) -> None:
    path = written(tmp_path, de=SEQUENCE, sw=SEQUENCE)
    assert read_header(path) == header("sequence")
    assert data_digests(path) == {"de": "digest of de", "sw": "digest of sw"}


@pytest.mark.parametrize("labels", [(), ("N", "(S\\NP)/NP", "名", "", "N\0P"), tuple(f"N/{i}" for i in range(20_000))])
def test_the_names_of_all_labels_are_kept(tmp_path: Path, labels: tuple[str, ...]) -> None:
    write_logits(tmp_path / "x.h5", replace(header("token"), labels=labels), {"sw": (TOKEN, "digest")})
    assert read_header(tmp_path / "x.h5") == replace(header("token"), labels=labels)


def test_merging_parts_gives_the_file_that_one_writing_gives(tmp_path: Path) -> None:
    parts = []
    for code, logits in (("sw", SPAN), ("zh", UNANSWERED)):
        (tmp_path / code).mkdir()
        parts.append(written(tmp_path / code, "span", **{code: logits}))
    merge_logits(tmp_path / "merged.h5", header("span"), parts)
    merged, whole = tmp_path / "merged.h5", written(tmp_path, "span", sw=SPAN, zh=UNANSWERED)
    assert (read_header(merged), data_digests(merged)) == (read_header(whole), data_digests(whole))
    assert same(read_logits(merged)["sw"], SPAN)
    assert same(read_logits(merged)["zh"], UNANSWERED)
    with h5py.File(merged, "r") as file:
        assert file["sw"]["start_logits"].fletcher32


def test_large_sets_are_cut_into_chunks_of_whole_rows(tmp_path: Path) -> None:
    rows = 100_000
    logits = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    path = written(tmp_path, sw=SequenceLogits(tuple(map(str, range(rows))), logits))
    with h5py.File(path, "r") as file:
        # 512 KiB of rows of three numbers of four bytes.
        assert file["sw"]["logits"].chunks == (43_690, 3)
    (found,) = read_logits(path).values()
    assert same(found, SequenceLogits(tuple(map(str, range(rows))), logits))


def test_offsets_are_stored_small_and_read_whatever_their_size(tmp_path: Path) -> None:
    wide = replace(SPAN, offsets=SPAN.offsets.astype(np.int64), max_context=SPAN.max_context.astype(np.int64))
    path = written(tmp_path, "span", sw=wide)
    assert same(read_logits(path)["sw"], SPAN)
    with h5py.File(path, "r+") as file:
        del file["sw"]["offsets"]
        file["sw"]["offsets"] = wide.offsets
    (found,) = read_logits(path).values()
    assert same(found, replace(SPAN, offsets=wide.offsets))


@EVERY_KIND
def test_a_flipped_byte_in_any_dataset_is_found(tmp_path: Path, kind: str, logits: Logits) -> None:
    path = written(tmp_path, kind, sw=logits)
    whole = path.read_bytes()
    with h5py.File(path, "r") as file:
        chunks = [d.id.get_chunk_info(i) for d in datasets(file["sw"]) if d.size for i in range(d.id.get_num_chunks())]
    assert chunks or logits is NO_WORDS
    for chunk in chunks:
        damaged = bytearray(whole)
        damaged[chunk.byte_offset + chunk.size // 2] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(LogitsError, match=r"x.h5: damaged .*delete it and its DONE.json and submit the grid again"):
            read_logits(path)


def test_a_flipped_byte_of_the_metadata_never_gives_other_logits(tmp_path: Path) -> None:
    path = written(tmp_path, sw=SEQUENCE)
    whole = path.read_bytes()
    damage = 0
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            assert read_header(path) == header("sequence")
            assert same(read_logits(path)["sw"], SEQUENCE)
        except LogitsError:
            damage += 1
    assert damage > 100


@EVERY_KIND
def test_nothing_lies_where_hdf5_has_no_checksum(tmp_path: Path, kind: str, logits: Logits) -> None:
    path, merged = written(tmp_path, kind, **dict.fromkeys("abcdefghijkl", logits)), tmp_path / "merged.h5"
    merge_logits(merged, replace(header(kind), labels=("N", "NP")), [path])
    # The global and the local heap, and the trees and tables of the formats before HDF5 1.8.
    parts = [b"GCOL", b"HEAP", b"TREE", b"SNOD"]
    assert [part for part in parts if part in path.read_bytes() + merged.read_bytes()] == []


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_an_error_that_names_it(tmp_path: Path, kept: float) -> None:
    path = written(tmp_path, sw=SEQUENCE)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(LogitsError, match=r"x.h5: not a logits file, or truncated"):
        read_logits(path)


def test_a_file_of_another_kind_of_content_is_an_error(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w"):
        pass
    with pytest.raises(LogitsError, match=r"x.h5: not a logits file, or truncated"):
        read_logits(tmp_path / "x.h5")


def test_another_schema_says_which_one_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, sw=SEQUENCE)
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = 99
    with pytest.raises(
        LogitsError, match=r"x.h5: schema 99, this version reads 3; install the version that wrote it, or del"
    ):
        read_logits(path)


def test_a_missing_file_or_language_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LogitsError, match=r"nowhere.h5: no such file"):
        read_logits(tmp_path / "nowhere.h5")
    with pytest.raises(LogitsError, match=r"x.h5: no logits for fr, zh; it has de, sw"):
        read_logits(written(tmp_path, de=SEQUENCE, sw=SEQUENCE), ["de", "fr", "zh"])


@pytest.mark.parametrize("name", ["logits", "example_id"])
def test_a_group_without_a_dataset_is_damaged(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, sw=SEQUENCE)
    with h5py.File(path, "r+") as file:
        del file["sw"][name]
    with pytest.raises(LogitsError, match=rf"x.h5: damaged .*{name}"):
        read_logits(path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = written(tmp_path, sw=SEQUENCE)
    with pytest.raises(LogitsError, match=r"nowhere.h5: no such file"):
        merge_logits(path, header("sequence"), [tmp_path / "nowhere.h5"])
    assert list(tmp_path.iterdir()) == [path]
    assert same(read_logits(path)["sw"], SEQUENCE)
