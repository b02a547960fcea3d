"""Check what stands in a JSON object: that a key is there, and that its value is of its type."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xstilts_hpc.errors import DataError

_SHOWN = 40
# JSON can write half a pair, as an escape: no tokenizer and no file in UTF-8 can hold it.
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_NAMES = {str: "a text", int: "a whole number", list: "a list", dict: "an object"}


def check_values(row: Mapping[str, Any], texts: Sequence[str], **others: type) -> None:
    """Refuse an object without one of the keys, or with a value of another type: `texts` have a text.

    A missing key or a wrong value is a DataError that names the key.
    """
    kinds: dict[str, type] = {**dict.fromkeys(texts, str), **others}
    missing = [key for key in kinds if key not in row]
    if missing:
        raise DataError(f"missing {', '.join(missing)}")
    for key, kind in kinds.items():
        check_type(key, row[key], kind)


def check_items(name: str, items: Iterable[Any], kind: type) -> None:
    """Refuse a list with an item of another type."""
    for item in items:
        check_type(f"an item of {name}", item, kind)


def check_type(name: str, value: Any, *kinds: type) -> None:
    """Refuse a value that is of none of the types, and a text that is none in UTF-8; true and false are no numbers."""
    if not isinstance(value, kinds) or isinstance(value, bool):
        expected = " or ".join(_NAMES[kind] for kind in kinds)
        raise DataError(f"{name} is {shown(value)}, expected {expected}")
    if isinstance(value, str) and not value.isascii() and _HALF_PAIR.search(value):
        raise DataError(f"{name} is {shown(value)}, with half a surrogate pair, which is no character")


def shown(value: Any) -> str:
    """Return the beginning of a value as JSON, in characters that can be printed."""
    try:
        return json.dumps(value, ensure_ascii=False)[:_SHOWN].encode(errors="backslashreplace").decode()
    except RecursionError:
        return f"a {type(value).__name__} nested too deeply"
