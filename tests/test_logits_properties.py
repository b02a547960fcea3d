"""Logits of any content and any ragged shape are read back bit by bit, alone and merged."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.logits_samples import header, same, written
from xstilts_hpc.logits import (
    LOGITS_TYPE,
    Header,
    Logits,
    RetrievalLogits,
    SequenceLogits,
    SpanLogits,
    TokenLogits,
    write_logits,
)
from xstilts_hpc.logits_file import data_digests, merge_logits, read_header, read_logits

# Every float32 there is: NaN of every payload, infinities, -0.0 and the smallest.
FLOATS = st.integers(0, 2**32 - 1).map(lambda bits: np.uint32(bits).view(np.float32))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
# HDF5 fills texts of fixed length with zeros, so that none may end with one.
IDS = TEXT.map(lambda text: text.rstrip("\0"))
SIZES = st.integers(0, 5)


def floats(*shape: int) -> st.SearchStrategy[Any]:
    special = st.sampled_from(np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-45, -3.4e38], np.float32))
    return arrays(np.float32, shape, elements=special | FLOATS, fill=st.nothing())


def integers(*shape: int, end: int = 2**62, least: int = 0) -> st.SearchStrategy[Any]:
    """Return indices below an end; with nothing to count there are none."""
    return arrays(np.int64, shape, elements=st.integers(least, max(least, end - 1)), fill=st.nothing())


def ids(number: int) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(IDS, min_size=number, max_size=number).map(tuple)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def starts(lengths: list[int]) -> Any:
    return np.cumsum([0, *lengths], dtype=np.int64)


@st.composite
def sequences(draw: st.DrawFn) -> SequenceLogits:
    number, labels = draw(SIZES), draw(st.integers(1, 4))
    return SequenceLogits(draw(ids(number)), draw(floats(number, labels)), draw(maybe(integers(number, end=labels))))


@st.composite
def tokens(draw: st.DrawFn) -> TokenLogits:
    lengths, labels = draw(st.lists(SIZES, max_size=5)), draw(st.integers(1, 4))
    words = sum(lengths)
    gold = draw(maybe(integers(words, end=labels, least=-1)))
    return TokenLogits(draw(ids(len(lengths))), draw(floats(words, labels)), starts(lengths), gold)


@st.composite
def spans(draw: st.DrawFn) -> SpanLogits:
    contexts = draw(st.lists(TEXT, max_size=3).map(tuple))
    examples = draw(SIZES) if contexts else 0
    lengths = draw(st.lists(SIZES, max_size=4)) if examples else []
    of_example = draw(integers(examples, end=len(contexts)))
    of_feature = draw(integers(len(lengths), end=examples))
    ends = np.repeat([len(contexts[i]) for i in of_example[of_feature]], lengths).astype(np.int64)
    begins = (ends * draw(st.floats(0, 1))).astype(np.int32)
    answers = st.lists(TEXT, min_size=examples, max_size=examples).map(lambda each: tuple(map(json.dumps, each)))
    return SpanLogits(
        example_id=draw(ids(examples)),
        start_logits=draw(floats(sum(lengths))),
        end_logits=draw(floats(sum(lengths))),
        first_token=starts(lengths),
        offsets=np.stack([begins, ends.astype(np.int32)], axis=1),
        max_context=draw(arrays(np.uint8, sum(lengths), elements=st.integers(0, 1))),
        null_logits=draw(floats(len(lengths), 2)),
        feature_example=of_feature,
        example_context=of_example,
        contexts=contexts,
        answers=draw(maybe(answers)),
    )


@st.composite
def pools(draw: st.DrawFn, *, with_dev: bool = True) -> RetrievalLogits:
    english, foreign = draw(SIZES), draw(SIZES)
    queries, candidates = draw(st.integers(0, english)), draw(st.integers(0, foreign))
    k, reverse_k = draw(st.integers(1, 4)) if candidates else 0, draw(st.integers(1, 4)) if queries else 0
    pairs = draw(SIZES) if english and foreign else 0
    columns = [draw(integers(pairs, end=end)) for end in (english, foreign)]
    return RetrievalLogits(
        example_id=draw(ids(english)),
        candidate_id=draw(ids(foreign)),
        query=draw(integers(queries, end=english)),
        candidate=draw(integers(candidates, end=foreign)),
        query_count=draw(integers(queries)),
        candidate_count=draw(integers(candidates)),
        scores=draw(floats(queries, k)),
        neighbours=draw(integers(queries, k, end=candidates)),
        reverse_scores=draw(floats(candidates, reverse_k)),
        reverse_neighbours=draw(integers(candidates, reverse_k, end=queries)),
        gold=draw(maybe(st.just(np.stack(columns, axis=1)))),
        dev=draw(maybe(pools(with_dev=False))) if with_dev else None,
    )


OF_KIND = {"sequence": sequences, "choice": sequences, "token": tokens, "span": spans, "retrieval": pools}
FILES = st.one_of(*(st.tuples(st.just(kind), st.lists(one(), min_size=1, max_size=3)) for kind, one in OF_KIND.items()))


def test_logits_of_every_kind_are_made_up() -> None:
    assert set(OF_KIND) == {str(kind) for kind in LOGITS_TYPE}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FILES)
def test_any_logits_are_read_back_bit_by_bit_alone_and_merged(file: tuple[str, list[Logits]]) -> None:
    kind, several = file
    languages = {f"l{number}": logits for number, logits in enumerate(several)}
    with tempfile.TemporaryDirectory() as name:
        path = written(Path(name), kind, **languages)
        found = read_logits(path)
        assert list(found) == list(languages)
        assert all(same(found[code], logits) for code, logits in languages.items())
        merge_logits(path.with_name("merged.h5"), header(kind), [path])
        again = read_logits(path.with_name("merged.h5"))
        assert all(same(again[code], logits) for code, logits in languages.items())


@settings(max_examples=50, deadline=None)
@given(st.lists(IDS, min_size=7, max_size=7), st.lists(IDS, max_size=5), IDS)
def test_any_texts_of_attributes_are_read_back(texts: list[str], labels: list[str], digest: str) -> None:
    run, task, _, split, model, code, created = texts
    wanted = Header(run, task, "sequence", split, model, code, created, tuple(labels))
    one = SequenceLogits(("a",), np.zeros((1, len(labels) or 1), np.float32))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "x.h5")
        write_logits(path, wanted, {"sw": (one, digest)})
        assert read_header(path) == wanted
        assert data_digests(path) == {"sw": digest}


def huge_tokens(random: np.random.Generator, lengths: Any) -> TokenLogits:
    words = int(lengths.sum())
    ids = tuple(f"зд-{i}" for i in range(len(lengths)))
    return TokenLogits(ids, any_floats(random, words, 7), starts(lengths.tolist()), random.integers(-1, 7, words))


def huge_spans(random: np.random.Generator, lengths: Any) -> SpanLogits:
    features, tokens = len(lengths), int(lengths.sum())
    begins = random.integers(0, 90, tokens)
    return SpanLogits(
        example_id=tuple(map(str, range(features))),
        start_logits=any_floats(random, tokens),
        end_logits=any_floats(random, tokens),
        first_token=starts(lengths.tolist()),
        offsets=np.stack([begins, begins + 9], axis=1).astype(np.int32),
        max_context=random.integers(0, 2, tokens).astype(np.uint8),
        null_logits=any_floats(random, features, 2),
        feature_example=np.arange(features),
        example_context=np.zeros(features, np.int64),
        contexts=("ภาษา" * 25,),
        answers=("[]",) * features,
    )


def huge_pools(random: np.random.Generator, lengths: Any) -> RetrievalLogits:
    number = len(lengths)
    ids, every = tuple(map(str, range(number))), np.arange(number)
    there, back = (random.integers(0, number, (number, 20)) for _ in range(2))
    scores = any_floats(random, number, 20)
    return RetrievalLogits(ids, ids[::-1], every, every, every, every, scores, there, scores[::-1], back)


def any_floats(random: np.random.Generator, *shape: int) -> Any:
    return random.integers(0, 2**32, shape, np.uint32).view(np.float32)


@pytest.mark.parametrize(
    ("kind", "huge"),
    [("token", huge_tokens), ("span", huge_spans), ("retrieval", huge_pools)],
    ids=["token", "span", "retrieval"],
)
def test_megabytes_are_read_back(tmp_path: Path, kind: str, huge: Callable[..., Logits]) -> None:
    random = np.random.default_rng(0)
    many = huge(random, random.integers(0, 40, 30_000))
    path = written(tmp_path, kind, sw=many)
    assert path.stat().st_size > 10_000_000
    assert same(read_logits(path)["sw"], many)
    merge_logits(tmp_path / "merged.h5", header(kind), [path])
    assert same(read_logits(tmp_path / "merged.h5")["sw"], many)


def test_a_long_context_and_thousands_of_empty_ones_are_read_back(tmp_path: Path) -> None:
    none = np.zeros((0, 2), np.float32)
    contexts = ("ภาษา\0😀" * 300_000, *[""] * 5_000)
    examples = len(contexts)
    logits = SpanLogits(
        example_id=tuple(map(str, range(examples))),
        start_logits=none[:, 0],
        end_logits=none[:, 1],
        first_token=np.zeros(1, np.int64),
        offsets=np.zeros((0, 2), np.int32),
        max_context=np.zeros(0, np.uint8),
        null_logits=none,
        feature_example=np.zeros(0, np.int64),
        example_context=np.arange(examples),
        contexts=contexts,
    )
    assert same(read_logits(written(tmp_path, "span", th=logits))["th"], logits)
