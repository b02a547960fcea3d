"""Check what stands in a JSON object: that a key is there, and that its value is of its type."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xstilts_hpc.errors import DataError

_SHOWN = 40
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
    """Refuse a value that is of none of the types; true and false are no numbers."""
    if not isinstance(value, kinds) or isinstance(value, bool):
        expected = " or ".join(_NAMES[kind] for kind in kinds)
        raise DataError(f"{name} is {json.dumps(value, ensure_ascii=False)[:_SHOWN]}, expected {expected}")
