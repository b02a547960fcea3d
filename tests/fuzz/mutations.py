"""Strategies that damage valid inputs, by their grammar or byte by byte."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pyarrow
from hypothesis import strategies as st
from pyarrow.parquet import read_table

from tests.fuzz.formats import parquet

# Texts in a JSON value that become, once it is written, what json.dumps cannot write.
_TEXT_OF = {
    "@DEEP@": "[" * 5_000 + "]" * 5_000,
    "@DIGITS@": "9" * 5_000,
    "@EXPONENT@": "1e99999",
    "@TWICE@": '1, "task": 2, "task": 3',
}
_HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf"), float("-inf")),
    *(
        "",
        " ",
        "\0",
        "a\0",
        "\ud800",
        "\udfff",
        "é\ud800",
        "\ufeff",
        "\u2028",
        "..",
        "/",
        "../../etc/passwd",
        "x" * 10_000,
        "none",
        "full",
    ),
    *([], {}, [[]], [None], {"": None}, {"a": {"a": {}}}, *_TEXT_OF),
)
_BYTES = (
    *(b"\0", b"\xff", b"\xfe\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r", b"\r\n", b"\n", b"\n\n", b"\t"),
    *(
        b" ",
        b'"',
        b'""',
        b"'",
        b",",
        b":",
        b"{",
        b"}",
        b"[",
        b"]",
        b"\\",
        b"\\ud800",
        b"\\u0000",
        b"#",
        b"-",
        b"_",
        b"(",
    ),
    *(b"\xc2\x85", b"\xe2\x80\xa8", b"\x1d", b"9" * 5_000, b"1-2", b"2-1", b"0", b"NaN", b"null", b"<L", b"a" * 70_000),
)
_YAML = (
    *(b"*a", b"&a ", b"<<: *a\n", b"&a [*a]", b"!!python/object:os.system x", b"!!binary x", b"!!timestamp 2020-13-01"),
    *(
        b"!!set {a}",
        b"!!omap [a: 1]",
        b"!x ",
        b"---\n",
        b"...\n",
        b"%YAML 1.1\n---\n",
        b"? [a, b]\n: c\n",
        b"|\n",
        b">-\n",
    ),
    *(
        b"{{{",
        b"[[[[",
        b"\t",
        b"~",
        b"0o777",
        b"0x1F",
        b"1_000",
        b"1:30:00",
        b".inf",
        b".nan",
        b"2020-01-01",
        b"yes",
        b"no",
    ),
    b"b: &b [x,x,x,x,x,x,x,x,x]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
    b"e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n",
)
_MOST_CHANGES = 3


def damaged(valid: tuple[bytes, ...], *, grammar: str = "") -> st.SearchStrategy[tuple[bytes, ...]]:
    """Return a strategy of the files of an input with one of them damaged.

    `grammar` is json, jsonl, yaml (one line of JSON), block (YAML in blocks), parquet or "".
    """
    return st.integers(0, len(valid) - 1).flatmap(
        lambda place: _file(valid[place], grammar).map(lambda file: (*valid[:place], file, *valid[place + 1 :]))
    )


def _file(valid: bytes, grammar: str) -> st.SearchStrategy[bytes]:
    tokens = _BYTES + (_YAML if grammar in ("yaml", "block") else ())
    plain = _changed_bytes(valid, tokens) | st.binary(max_size=40)
    if not grammar:
        return plain
    if grammar == "block":
        return _changed_blocks(valid) | _changed_blocks(valid) | plain
    if grammar == "parquet":
        return _changed_row(valid) | _changed_row(valid) | plain
    structured = _changed_lines(valid) if grammar == "jsonl" else _changed_values(valid)
    both = structured.flatmap(lambda text: _changed_bytes(text, tokens))
    return structured | structured | plain | both


def _changed_row(content: bytes) -> st.SearchStrategy[bytes]:
    """Change parts of the first row of a parquet file; where none can hold what comes out, change bytes."""
    row = json.dumps(read_table(pyarrow.BufferReader(content)).to_pylist()[0]).encode()

    def changed(chance: Random) -> bytes:
        try:
            return parquet(json.loads(_values_by(chance, row)))
        except (pyarrow.ArrowException, ValueError, TypeError, OverflowError, AttributeError, RecursionError):
            return _bytes_by(chance, content, _BYTES)

    return _CHANCE.map(changed)


# Choices are made by a random generator that hypothesis seeds: its own prefer the first and the simplest, and repeat.
_CHANCE = st.integers(0, 2**62).map(Random)


def _changed_bytes(content: bytes, tokens: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """Cut, repeat, overwrite and insert, at borders of fields and lines or anywhere."""
    return _CHANCE.map(lambda chance: _bytes_by(chance, content, tokens))


def _bytes_by(chance: Random, content: bytes, tokens: tuple[bytes, ...]) -> bytes:
    for _ in range(chance.randint(1, _MOST_CHANGES)):
        borders = [i for i, byte in enumerate(content[:100_000]) if byte in b'\t\n ,:"{}[]()'] or [0]
        places = (chance.choice(borders), chance.randint(0, len(content)), chance.choice(borders))
        first, last = sorted(chance.sample(places, 2))
        token = chance.choice(tokens)
        content = chance.choice(
            (
                content[:first],
                content[:first] + content[last:],
                content[:last] + content[first:],
                content[:first] + token + content[first:],
                content[:first] + token + content[last:],
                content[:first] + chance.randbytes(1) + content[first + 1 :],
                content.replace(b"\n", b"\r\n"),
                token + content,
                content + token,
            )
        )
    return content


def _changed_blocks(content: bytes) -> st.SearchStrategy[bytes]:
    """Put tokens of YAML before a value, in its place or on lines of their own; move, repeat and indent lines."""
    return _CHANCE.map(lambda chance: _blocks_by(chance, content))


def _blocks_by(chance: Random, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    for _ in range(chance.randint(1, _MOST_CHANGES)):
        place, other, token = chance.randrange(len(lines)), chance.choice(lines), chance.choice(_YAML)
        line = lines[place]
        name, mark, value = line.partition(b": ")
        indent = line[: len(line) - len(line.lstrip())]
        lines[place] = chance.choice(
            (
                name + mark + token + value,
                name + mark + token + b"\n",
                indent + token + line.lstrip(),
                indent + token + b"\n" + line,
                b"  " + line,
                line.lstrip(),
                line + other,
                other,
                b"",
            )
        )
    return b"".join(lines)


def _changed_values(content: bytes) -> st.SearchStrategy[bytes]:
    """Swap, remove, repeat and replace parts of a JSON value (which is YAML as well)."""
    return _CHANCE.map(lambda chance: _values_by(chance, content))


def _values_by(chance: Random, content: bytes) -> bytes:
    tree = json.loads(content)
    for _ in range(chance.randint(1, _MOST_CHANGES)):
        places = list(_places(tree))
        if not places:
            break
        (holder, key), (other, other_key) = chance.choice(places), chance.choice(places)
        _change(chance.randint(0, 7), holder, key, _copied(other[other_key]), chance.choice(_HOSTILE))
    text = json.dumps(tree, ensure_ascii=chance.random() < 0.5)
    for name, meant in _TEXT_OF.items():
        text = text.replace(json.dumps(name), meant)
    return text.encode(errors="surrogatepass")


def _copied(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (holder, key) of a value."""
    pairs = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for key, part in pairs:
        yield value, key
        yield from _places(part)


def _change(what: int, holder: Any, key: Any, other: Any, value: Any) -> None:
    if what == 0:
        del holder[key]
    elif what == 1:
        holder[key] = other
    elif what == 2:
        holder[key] = [holder[key]]
    elif what == 3 and isinstance(holder, list):
        holder.insert(key, other)
    elif what == 4 and isinstance(holder, dict):
        holder[str(value)[:20]] = holder.pop(key)
    elif what == 5 and isinstance(holder[key], str):
        holder[key] += str(value)
    else:
        holder[key] = _copied(value)


def _changed_lines(content: bytes) -> st.SearchStrategy[bytes]:
    """Change the value of one line of JSON Lines."""
    return _CHANCE.map(lambda chance: _lines_by(chance, content))


def _lines_by(chance: Random, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    place = chance.randrange(len(lines))
    lines[place] = _values_by(chance, lines[place]).replace(b"\n", b" ") + b"\n"
    return b"".join(lines)
