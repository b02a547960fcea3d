"""YAML 1.2 files checked against a pydantic model, with every problem at its line, all at once."""

import inspect
import re
import typing
import warnings
from collections.abc import Iterator
from itertools import accumulate
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError, YAMLWarning

from xstilts_hpc.errors import XstiltsError, nearest

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[int | str, ...]

# A few aliases of aliases can stand for more values than fit any memory.
_MOST_VALUES = 1_000_000
# Not text, a number of 5,000 digits, a month 13, a mapping as a key: the parser lets Python's own errors through.
_BROKEN = (
    *(YAMLError, YAMLWarning, ValueError, TypeError),
    *(LookupError, AttributeError, AssertionError, NotImplementedError),
)
_OTHER_VERSION = re.compile(r"^\ufeff?%YAML(?![ \t]+1\.2[ \t\r]*$)", re.MULTILINE)
# The parser's time grows with the square of the open brackets: 5,000 took half a minute.
_MOST_OPEN = 100


def load_yaml(path: Path, model: type[Model], error: type[XstiltsError]) -> Model:
    """Read a YAML file into a model; whatever is wrong is one error that lists file:line, found and expected."""
    tree = _parse(path, error)
    if not isinstance(tree, CommentedMap):
        raise error(f"{path}:1: expected keys and values, found {type(tree).__name__}")
    if _size(tree, {}) > _MOST_VALUES:
        raise error(f"{path}:1: its aliases (*name) stand for more than {_MOST_VALUES:,} values; write them out")
    try:
        return model.model_validate(_plain(tree))
    except ValidationError as invalid:
        problems = {_problem(path, tree, model, detail): line_of(tree, detail["loc"]) for detail in invalid.errors()}
        raise error("\n".join(sorted(problems, key=lambda text: problems[text]))) from None


def line_of(tree: Any, location: Location) -> int:
    """Return the line (from 1) of the deepest part of a location that stands in the file."""
    line = 1
    for key in location:
        if isinstance(tree, CommentedMap) and key in tree:
            line = tree.lc.key(key)[0] + 1
        elif isinstance(tree, CommentedSeq) and isinstance(key, int) and key < len(tree):
            line = tree.lc.item(key)[0] + 1
        else:
            continue
        tree = tree[key]
    return line


def _parse(path: Path, error: type[XstiltsError]) -> Any:
    if not path.is_file():
        raise error(f"{path}: no such file")
    yaml = YAML(typ="rt")
    try:
        text = path.read_text(encoding="utf-8")
        if _most_open(text) > _MOST_OPEN:
            raise RecursionError
        if _OTHER_VERSION.search(text):
            raise ValueError("it asks for another version than 1.2, where no is false and 1e-5 a text; remove %YAML")
        with warnings.catch_warnings():
            warnings.simplefilter("error", YAMLWarning)  # such as a name for two values
            return yaml.load(text)
    except DuplicateKeyError as duplicate:
        line = duplicate.problem_mark.line + 1 if duplicate.problem_mark else 1
        raise error(
            f"{path}:{line}: {str(duplicate.problem).split(' with value')[0]}; each key may stand once"
        ) from None
    except MarkedYAMLError as marked:
        mark = marked.problem_mark or marked.context_mark
        raise error(
            f"{path}:{mark.line + 1 if mark else 1}: not valid YAML: {marked.problem or marked.context}"
        ) from None
    except _BROKEN as broken:
        raise error(f"{path}:1: not valid YAML: {str(broken).strip()}") from None
    except RecursionError:
        raise error(f"{path}:1: not valid YAML: nested too deeply") from None


def _most_open(text: str) -> int:
    """Return how many brackets are open at once, wherever they stand."""
    changes = ((character in "[{") - (character in "]}") for character in text if character in "[]{}")
    return max(accumulate(changes), default=0)


def _size(value: Any, known: dict[int, float]) -> float:
    """Return the number of values that a tree stands for, each part counted once for every alias of it.

    A part that holds itself stands for infinitely many.
    """
    if id(value) not in known:
        known[id(value)] = inf
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        known[id(value)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(value)]


def _plain(value: Any) -> Any:
    """Return the tree as plain dict, list, str, int, float, bool, so that strict validation sees plain types."""
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    for plain in (bool, int, float, str):
        if isinstance(value, plain):
            return plain(value)
    return value


def _problem(path: Path, tree: Any, model: type[BaseModel], detail: Any) -> str:
    location: Location = tuple(detail["loc"])
    where = f"{path}:{line_of(tree, location)}"
    name = ".".join(str(part) for part in location if not _is_type_tag(part))
    if detail["type"] == "extra_forbidden":
        return f"{where}: unknown key {location[-1]!r}; {nearest(str(location[-1]), _keys_at(model, location[:-1]))}"
    if detail["type"] == "missing":
        return f"{where}: missing key {name}"
    if detail["type"] == "value_error":
        return f"{where}: {name + ': ' if name else ''}{detail['msg'].removeprefix('Value error, ')}"
    wanted = detail["msg"].removeprefix("Input should be ")
    return f"{where}: {name}: expected {wanted}, found {detail['input']!r}{_hint(detail)}"


def _hint(detail: Any) -> str:
    """Explain the commonest surprise of YAML: a number in quotes is text."""
    value = detail["input"]
    if isinstance(value, str) and ("float" in detail["type"] or "int" in detail["type"]):
        try:
            return f" (text; write {float(value)!r} without quotes)"
        except ValueError:
            return ""
    return ""


def _is_type_tag(part: int | str) -> bool:
    """Say whether pydantic put a union member's name into a location."""
    return isinstance(part, str) and (part[:1].isupper() or "[" in part or part in ("int", "str", "float", "literal"))


def _keys_at(model: type[BaseModel], location: Location) -> list[str]:
    """Return the keys allowed at a location of the model."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            inner = next(_models_in(model.model_fields[part].annotation), None)
            model = inner or model
    return list(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models_in(argument)
