"""Strategies that damage valid inputs, by their grammar or byte by byte."""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

# Texts in a JSON value that become, once it is written, what json.dumps cannot write.
_TEXT_OF = {
    "@DEEP@": "[" * 5_000 + "]" * 5_000,
    "@DIGITS@": "9" * 5_000,
    "@EXPONENT@": "1e99999",
    "@TWICE@": '1, "task": 2, "task": 3',
}
_HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf"), float("-inf")),
    *("", " ", "\0", "a\0", "\ud800", "\ufeff", "\u2028", "..", "/", "../../etc/passwd", "x" * 10_000, "none", "full"),
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
    """Return a strategy of the files of an input with one of them damaged; `grammar` is json, jsonl, yaml or ""."""
    return st.integers(0, len(valid) - 1).flatmap(
        lambda place: _file(valid[place], grammar).map(lambda file: (*valid[:place], file, *valid[place + 1 :]))
    )


def _file(valid: bytes, grammar: str) -> st.SearchStrategy[bytes]:
    tokens = _BYTES + (_YAML if grammar == "yaml" else ())
    plain = _changed_bytes(valid, tokens) | st.binary(max_size=40)
    if not grammar:
        return plain
    structured = _changed_lines(valid) if grammar == "jsonl" else _changed_values(valid)
    both = structured.flatmap(lambda text: _changed_bytes(text, tokens))
    return structured | structured | plain | both


@st.composite
def _changed_bytes(draw: st.DrawFn, content: bytes, tokens: tuple[bytes, ...]) -> bytes:
    """Cut, repeat, overwrite and insert, at borders of fields and lines or anywhere."""
    for _ in range(draw(st.integers(1, _MOST_CHANGES))):
        borders = [i for i, byte in enumerate(content[:100_000]) if byte in b'\t\n ,:"{}[]()']
        places = st.integers(0, len(content))
        first, last = sorted(draw(st.tuples(*[st.sampled_from(borders) | places if borders else places] * 2)))
        token = draw(st.sampled_from(tokens))
        content = draw(
            st.sampled_from(
                (
                    content[:first],
                    content[:first] + content[last:],
                    content[:last] + content[first:],
                    content[:first] + token + content[first:],
                    content[:first] + token + content[last:],
                    content[:first] + bytes([draw(st.integers(0, 255))]) + content[first + 1 :],
                    content.replace(b"\n", b"\r\n"),
                    token + content,
                    content + token,
                )
            )
        )
    return content


@st.composite
def _changed_values(draw: st.DrawFn, content: bytes) -> bytes:
    """Swap, remove, repeat and replace parts of a JSON value (which is YAML as well)."""
    tree = {"root": json.loads(content)}
    for _ in range(draw(st.integers(1, _MOST_CHANGES))):
        places = list(_places(tree))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        other, other_key = draw(st.sampled_from(places))
        _change(draw(st.integers(0, 6)), holder, key, json.loads(json.dumps(other[other_key])), draw(_VALUES))
    text = json.dumps(tree.get("root"), ensure_ascii=draw(st.booleans()))
    for name, meant in _TEXT_OF.items():
        text = text.replace(json.dumps(name), meant)
    return text.encode(errors="surrogatepass")


_VALUES = st.sampled_from(_HOSTILE)


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
    else:
        holder[key] = json.loads(json.dumps(value))


@st.composite
def _changed_lines(draw: st.DrawFn, content: bytes) -> bytes:
    """Change the value of one line of JSON Lines."""
    lines = content.splitlines(keepends=True)
    place = draw(st.integers(0, len(lines) - 1))
    lines[place] = draw(_changed_values(lines[place])).replace(b"\n", b" ") + b"\n"
    return b"".join(lines)
