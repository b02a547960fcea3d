"""The made-up world's files are in the publishers' forms."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from xstilts_hpc.miniature.files import read_plain_text, write_data

CODES = ("en", "qaa", "qab", "qac", "qad")


def ignore(text: str, fraction: float) -> None:
    """Take progress and show nothing."""


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("miniature")
    write_data(folder, progress=ignore)
    return folder


def test_two_builds_give_the_same_bytes(data: Path, tmp_path: Path) -> None:
    write_data(tmp_path, progress=ignore)
    assert digests(tmp_path) == digests(data)


@pytest.mark.parametrize(("name", "columns", "size"), [("train", 12, 3000), ("dev_matched", 16, 120)])
def test_mnli_has_the_columns_of_glue(data: Path, name: str, columns: int, size: int) -> None:
    lines = (data / f"MNLI/{name}.tsv").read_bytes().decode().removesuffix("\n").split("\n")
    assert len(lines) == size + 1
    assert {line.count("\t") + 1 for line in lines} == {columns}
    assert lines[0].startswith("index\tpromptID") and lines[0].endswith("\tgold_label")
    assert "\r" not in "".join(lines)


@pytest.mark.parametrize("code", CODES)
def test_xnli_has_cr_lf_and_three_columns(data: Path, code: str) -> None:
    rows = (data / f"xnli/test-{code}.tsv").read_bytes().decode().removesuffix("\r\n").split("\r\n")
    assert len(rows) == 240
    assert all(re.fullmatch(r"[^\t\r\n]+\t[^\t\r\n]+\t(entailment|neutral|contradiction)", row) for row in rows)


def test_xnli_is_parallel(data: Path) -> None:
    def labels(code: str) -> list[str]:
        return [
            row.split("\t")[2] for row in (data / f"xnli/test-{code}.tsv").read_text(encoding="utf-8").split("\n")[:-1]
        ]

    assert all(labels(code) == labels("en") for code in CODES)
    assert labels("en").count("neutral") == 80


@pytest.mark.parametrize("name", ["train", "val"])
def test_hellaswag_joins_its_context(data: Path, name: str) -> None:
    rows = json_lines(data / f"hellaswag/hellaswag_{name}.jsonl")
    assert all(row["ctx"] == f"{row['ctx_a']} {row['ctx_b']}".strip() for row in rows)
    assert all(len(row["endings"]) == 4 and row["label"] in range(4) for row in rows)


@pytest.mark.parametrize("name", ["squad/train-v1.1", "squad/dev-v1.1", *(f"xquad/xquad.{code}" for code in CODES)])
def test_answers_stand_at_their_offsets(data: Path, name: str) -> None:
    for article in json.loads((data / f"{name}.json").read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                (answer,) = question["answers"]
                start, text = answer["answer_start"], answer["text"]
                assert text and paragraph["context"][start : start + len(text)] == text


def test_xquad_has_the_same_ids_in_every_language(data: Path) -> None:
    def ids(code: str) -> list[str]:
        text = (data / f"xquad/xquad.{code}.json").read_text(encoding="utf-8")
        return re.findall(r'"id": "([^"]+)"', text)

    assert len(set(ids("en"))) == 240
    assert all(ids(code) == ids("en") for code in CODES)


@pytest.mark.parametrize("name", ["train-en", *(f"test-{code}" for code in CODES)])
def test_panx_is_valid_iob2(data: Path, name: str) -> None:
    text = (data / f"panx/{name}.tsv").read_text(encoding="utf-8")
    assert text.endswith("\n") and not text.endswith("\n\n")
    for sentence in text.removesuffix("\n").split("\n\n"):
        before = "O"
        for row in sentence.split("\n"):
            tag = row.split("\t")[1]
            assert re.fullmatch(r"O|[BI]-(PER|ORG|LOC)", tag)
            assert not tag.startswith("I-") or before in (tag, f"B{tag[1:]}")
            before = tag


def test_names_of_the_tests_are_in_no_training_set(data: Path) -> None:
    def names(name: str) -> set[str]:
        rows = (data / f"panx/{name}.tsv").read_text(encoding="utf-8").split("\n")
        return {row.split("\t")[0] for row in rows if not row.endswith("\tO")} - {"", "bank", "school", "museum"}

    text = set(re.findall(r"\w+", "\n".join(read_plain_text(data))))
    assert not names("test-en") & (names("train-en") | text)


def test_tatoeba_is_aligned_and_repeats_nothing(data: Path) -> None:
    for code in CODES[1:]:
        foreign, english = (
            (data / f"tatoeba/tatoeba.{code}-eng.{end}").read_text(encoding="utf-8").split("\n")
            for end in (code, "eng")
        )
        assert len(foreign) == len(english) == 201
        assert len(set(foreign)) == 201


def test_snli_has_a_few_pairs_without_a_label(data: Path) -> None:
    labels = [row["gold_label"] for row in json_lines(data / "snli_1.0/snli_1.0_dev.jsonl")]
    assert labels.count("-") == 2
