"""Whole files or none, digests, and what is remembered between commands."""

import os
from pathlib import Path

import pytest

from xstilts_hpc.errors import RunError
from xstilts_hpc.files import (
    Memory,
    append_json_line,
    digest_of,
    read_json,
    sha256_of,
    stat_key,
    whole_file,
    write_json,
    write_text,
)


def write_half(target: Path) -> None:
    with whole_file(target) as partial:
        partial.write_text("half")
        raise ValueError("in the middle")


def test_a_whole_file_appears_at_once_and_replaces_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "x.txt"
    write_text(target, "old")
    with whole_file(target) as partial:
        partial.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "x.txt"
    write_text(target, "old")
    with pytest.raises(ValueError, match="in the middle"):
        write_half(target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_was_never_written_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="partial"), whole_file(tmp_path / "x.txt"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("indent", [1, None])
def test_json_is_read_back_as_written(tmp_path: Path, indent: int | None) -> None:
    value = {"b": [1, 2.5, None], "a": "中文\u2028\n"}
    write_json(tmp_path / "x.json", value, indent=indent)
    assert read_json(tmp_path / "x.json") == value
    assert (tmp_path / "x.json").read_bytes().endswith(b"}\n")


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe"])
def test_a_damaged_json_file_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(RunError, match=r"x.json: not valid JSON .*delete it and repeat"):
        read_json(tmp_path / "x.json")


def test_json_lines_are_appended(tmp_path: Path) -> None:
    append_json_line(tmp_path / "x.jsonl", {"step": 1, "loss": 0.5})
    append_json_line(tmp_path / "x.jsonl", {"step": 2, "loss": 0.25})
    assert (tmp_path / "x.jsonl").read_text() == '{"loss": 0.5, "step": 1}\n{"loss": 0.25, "step": 2}\n'


def test_digests_are_those_of_sha256(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of(tmp_path / "x") == abc
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 1.5})


def test_a_memory_finds_out_once_and_remembers_over_processes(tmp_path: Path) -> None:
    asked = []
    memory = Memory(tmp_path / "memory.json")
    assert [memory.recall("k", int, lambda: asked.append(1) or 7) for _ in range(2)] == [7, 7]
    memory.save()
    assert Memory(tmp_path / "memory.json").recall("k", int, lambda: asked.append(1) or 8) == 7
    assert asked == [1]


def test_a_memory_that_learned_nothing_writes_nothing(tmp_path: Path) -> None:
    Memory(tmp_path / "memory.json").save()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"{", b"[1]", b"7", b"\xff", b""])
def test_a_damaged_memory_is_started_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "memory.json").write_bytes(content)
    assert Memory(tmp_path / "memory.json").recall("k", int, lambda: 7) == 7


def test_the_key_of_files_changes_when_one_of_them_does(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    before = stat_key([path])
    assert stat_key([path]) == before
    os.utime(path, ns=(1, 1))
    assert stat_key([path]) != before
