"""A logits file that says other things than docs/logits.md is refused, with what was found."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.logits_samples import (
    KINDS,
    RETRIEVAL,
    SEQUENCE,
    SPAN,
    TOKEN,
    WITH_DEV,
    floats,
    header,
    integers,
    same,
    written,
)
from xstilts_hpc.errors import LogitsError
from xstilts_hpc.logits import Logits, write_logits
from xstilts_hpc.logits_file import data_digests, read_header, read_logits

REMEDY = "delete it and its DONE.json and submit the grid again"


def changed(path: Path, change: Callable[[h5py.File], None]) -> Path:
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def put(name: str, value: Any) -> Callable[[h5py.File], None]:
    """Return what replaces a dataset of language sw, or adds it."""

    def change(file: h5py.File) -> None:
        if name in file["sw"]:
            del file["sw"][name]
        file["sw"][name] = value

    return change


def without(name: str) -> Callable[[h5py.File], None]:
    return lambda file: file["sw"].__delitem__(name)


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        (1, "1"),
        (2, "2"),
        (4, "4"),
        (2**40, "1099511627776"),
        (-1, "-1"),
        ("2", "2"),
        (2.0, "2.0"),
        (True, "True"),
        ([2, 2], ""),
    ],
)
def test_an_unknown_schema_is_named(tmp_path: Path, schema: Any, shown: str) -> None:
    path = changed(written(tmp_path, sw=SEQUENCE), lambda file: file.attrs.__setitem__("schema", schema))
    for read in (read_logits, read_header, data_digests):
        with pytest.raises(LogitsError, match=rf"x.h5: schema {shown}.*, this version reads 3; install the version"):
            read(path)


@pytest.mark.parametrize("kind", ["masked", "Sequence", "", "graph"])
def test_an_unknown_kind_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.h5"
    write_logits(path, header(kind), {"sw": (SEQUENCE, "digest")})
    with pytest.raises(LogitsError, match=rf"damaged \(unknown kind '{kind}', expected one of sequence, choice, token"):
        read_logits(path)


MISFITS: dict[str, tuple[str, Callable[[h5py.File], None], str]] = {
    "no gold of labels": ("sequence", without("logits"), r"sw: no dataset logits"),
    "no text": ("span", without("contexts_first_byte"), r"sw: no dataset contexts_first_byte"),
    "extra": ("sequence", put("temperature", floats(1)), r"sw: unknown dataset temperature"),
    "of another kind": ("sequence", put("first_word", integers(0, 1)), r"sw: unknown dataset first_word"),
    "long gold": ("sequence", put("gold", integers(0, 1)), r"sw: gold has the shape \(2,\), expected \[examples\]"),
    "flat logits": ("sequence", put("logits", floats(1, 2, 3)), r"sw: logits has the shape \(3,\), expected \[ex"),
    "double logits": ("sequence", put("logits", np.zeros((3, 3))), r"logits holds float64, expected float32"),
    "float gold": ("sequence", put("gold", floats(0, 1, 2)), r"gold holds float32, expected integers"),
    "gold too large": ("sequence", put("gold", integers(0, 3, 1)), r"gold holds 0 to 3, expected indices of 3 labels"),
    "gold negative": ("sequence", put("gold", integers(0, -1, 1)), r"gold holds -1 to 1, expected indices of 3 labels"),
    "ids of numbers": ("sequence", put("example_id", integers(1, 2, 3)), r"example_id holds int64, expected texts"),
    "falling starts": ("token", put("first_word", integers(0, 4, 3)), r"first_word does not ascend: 4 comes before 3"),
    "falling unsigned": ("token", put("first_word", np.array([0, 4, 3], np.uint8)), r"first_word does not ascend"),
    "starts too far": ("token", put("first_word", integers(0, 1, 4)), r"goes from 0 to 4, expected 0 to 3, the number"),
    "late start": ("token", put("first_word", integers(1, 1, 3)), r"first_word goes from 1 to 3, expected 0 to 3"),
    "one start less": ("token", put("first_word", integers(0, 3)), r"first_word has the shape \(2,\)"),
    "no starts": ("token", put("first_word", integers()), r"first_word has the shape \(0,\)"),
    "tag below -1": ("token", put("gold", integers(-2, 0, 1)), r"gold holds -2 to 1, expected indices of 2 labels"),
    "end logits": ("span", put("end_logits", floats(1, 2)), r"end_logits has the shape \(2,\), expected \[tokens\]"),
    "offsets": ("span", put("offsets", integers([0, 2], [2, 4], [4, 99])), r"offsets of token 2 are 4 to 99, which is"),
    "offset turned": ("span", put("offsets", integers([0, 2], [4, 2], [4, 5])), r"offsets of token 1 are 4 to 2"),
    "three columns": ("span", put("offsets", integers([0, 2, 2])), r"offsets has the shape \(1, 3\)"),
    "feature's example": ("span", put("feature_example", integers(0, 1, 2)), r"feature_example holds 0 to 2, expected"),
    "context": (
        "span",
        put("example_context", integers(0, -1)),
        r"example_context holds -1 to 0, expected indices of 2",
    ),
    "text starts": ("span", put("answers_first_byte", integers(0, 99, 2)), r"answers_first_byte goes from 0 to 2"),
    "text starts fall": ("span", put("answers_first_byte", integers(0, 99, 37)), r"answers_first_byte"),
    "text as numbers": ("span", put("contexts_utf8", integers(1, 2)), r"contexts is kept in int64 and int64"),
    "not UTF-8": ("span", put("contexts_utf8", np.full(45, 255, np.uint8)), r"sw: 'utf-8' codec can't decode"),
    "neighbour": (
        "retrieval",
        put("neighbours", integers([1, 0], [3, 1])),
        r"neighbours holds 0 to 3, expected .* 3 c",
    ),
    "reverse": ("retrieval", put("reverse_neighbours", integers([0], [2], [1])), r"reverse_neighbours holds 0 to 2"),
    "k": (
        "retrieval",
        put("scores", floats([0.9], [0.8])),
        r"neighbours has the shape \(2, 2\), expected \[queries, k\]",
    ),
    "pair": ("retrieval", put("gold", integers([0, 1], [1, 4])), r"gold\[:, 1\] holds 1 to 4, expected indices of 4"),
    "query": ("retrieval", put("query", integers(0, 2)), r"query holds 0 to 2, expected indices of 2 english"),
    "group for dataset": ("sequence", lambda file: (without("gold")(file), file["sw"].create_group("gold")), r"sw: "),
}


@pytest.mark.parametrize(("sample", "change", "message"), MISFITS.values(), ids=MISFITS)
def test_what_does_not_fit_is_named(
    tmp_path: Path, sample: str, change: Callable[[h5py.File], None], message: str
) -> None:
    kind, logits = KINDS[sample]
    path = changed(written(tmp_path, kind, sw=logits, de=logits), change)
    assert same(read_logits(path, ["de"])["de"], logits)
    with pytest.raises(LogitsError, match=rf"x.h5: damaged \(.*{message}.*\); {REMEDY}"):
        read_logits(path)


def test_logits_that_are_marked_incomplete_are_refused(tmp_path: Path) -> None:
    path = changed(written(tmp_path, sw=SEQUENCE), lambda file: file["sw"].attrs.__setitem__("complete", False))
    with pytest.raises(LogitsError, match=r"damaged \(sw: it is marked as not complete\)"):
        read_logits(path)


@pytest.mark.parametrize("name", ["complete", "examples"])
def test_a_group_without_its_attributes_is_refused(tmp_path: Path, name: str) -> None:
    path = changed(written(tmp_path, sw=SEQUENCE), lambda file: file["sw"].attrs.__delitem__(name))
    with pytest.raises(LogitsError, match=rf"damaged \(sw: .*{name}"):
        read_logits(path)


def test_another_number_of_examples_than_there_are_ids_is_refused(tmp_path: Path) -> None:
    path = changed(written(tmp_path, sw=SEQUENCE), lambda file: file["sw"].attrs.__setitem__("examples", 4))
    with pytest.raises(LogitsError, match=r"sw: its attribute examples is 4, but it has 3 ids"):
        read_logits(path)


def test_columns_that_are_not_the_labels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    write_logits(path, replace(header("sequence"), labels=("no", "yes")), {"sw": (SEQUENCE, "digest")})
    with pytest.raises(
        LogitsError, match=r"sw: logits has the shape \(3, 3\), expected .* with examples: 3, labels: 2"
    ):
        read_logits(path)


def test_a_dataset_where_a_language_should_be_is_refused(tmp_path: Path) -> None:
    path = changed(written(tmp_path, sw=SEQUENCE), lambda file: file.__setitem__("zz", integers(1)))
    with pytest.raises(LogitsError, match=r"damaged \(zz: zz is no group, expected one for each language\)"):
        read_logits(path)


def test_logits_of_one_kind_are_not_read_as_another(tmp_path: Path) -> None:
    names = {"sequence": SEQUENCE, "token": TOKEN, "span": SPAN, "retrieval": RETRIEVAL}
    for kind in names:
        for other, logits in names.items():
            if other != kind:
                with pytest.raises(LogitsError, match=r"damaged \(sw: (no|unknown) dataset"):
                    read_logits(written(tmp_path, kind, sw=logits))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("dev/scores", floats([0.1])), r"sw: scores has the shape \(1, 1\)"),
        (lambda file: file["sw/dev"].attrs.__setitem__("complete", False), r"sw: it is marked as not complete"),
        (lambda file: file["sw/dev"].__delitem__("query"), r"sw: no dataset query"),
    ],
)
def test_the_dev_split_is_checked_too(tmp_path: Path, change: Callable[[h5py.File], None], message: str) -> None:
    path = changed(written(tmp_path, "retrieval", sw=WITH_DEV), change)
    with pytest.raises(LogitsError, match=message):
        read_logits(path)


@pytest.mark.parametrize("value", [7, "a text of variable length", [b"two", b"texts"]])
def test_an_attribute_that_is_no_text_of_fixed_length_is_refused(tmp_path: Path, value: Any) -> None:
    path = changed(written(tmp_path, sw=SEQUENCE), lambda file: file.attrs.__setitem__("run", value))
    with pytest.raises(LogitsError, match=r"x.h5: damaged \((its attribute run holds|can only convert an array of)"):
        read_header(path)
    path = changed(written(tmp_path, sw=SEQUENCE), lambda file: file["sw"].attrs.__setitem__("data", value))
    with pytest.raises(LogitsError, match=r"x.h5: damaged \((its attribute data holds|can only convert an array of)"):
        data_digests(path)


@pytest.mark.parametrize(
    ("value", "message"),
    [(integers(1, 2), "labels holds int64, expected texts"), (["a", "b"], "/labels is of variable length")],
)
def test_labels_that_are_no_texts_of_fixed_length_are_refused(tmp_path: Path, value: Any, message: str) -> None:
    def change(file: h5py.File) -> None:
        del file["labels"]
        file["labels"] = value

    with pytest.raises(LogitsError, match=rf"x.h5: damaged \({message}"):
        read_header(changed(written(tmp_path, sw=SEQUENCE), change))


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (
            replace(SEQUENCE, example_id=("a", "b\0", "c")),
            r"example_id has 'b\\x00', which HDF5 would give back without",
        ),
        (
            replace(SEQUENCE, example_id=("a", "\ud800", "c")),
            r"example_id has the text '\\ud800' with half a surrogate",
        ),
        (replace(SPAN, contexts=("a\udfff", "b")), r"contexts has the text 'a\\udfff' with half a surrogate pair"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(tmp_path: Path, logits: Logits, message: str) -> None:
    with pytest.raises(LogitsError, match=message):
        written(tmp_path, sw=logits)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ("N", "NP\0")}, r"labels has 'NP\\x00', which HDF5 would give back without the zero"),
        ({"model": "m\0"}, r"model has 'm\\x00', which HDF5 would give back without the zero"),
        ({"code": "x" * 60_001}, r"code has 60,001 bytes, an attribute at most 60,000; shorten it"),
    ],
)
def test_a_header_that_could_not_be_read_back_is_not_written(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(LogitsError, match=message):
        write_logits(tmp_path / "x.h5", replace(header("token"), **change), {"sw": (TOKEN, "digest")})
    assert list(tmp_path.iterdir()) == []
