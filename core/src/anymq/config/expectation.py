"""In words, what a field of a model takes: its type and its allowed range."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from anymq.urls import BackendUrl

__all__ = ["expectation", "is_secret_type", "plain_type"]

_WORDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    SecretStr: "a text",
    Path: "a path",
    BackendUrl: "a backend URL",
    list: "a list",
    tuple: "a list",
    set: "a list",
    frozenset: "a list",
    dict: "a table",
}
_BOUNDS = (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below"))
_LENGTHS = (("min_length", "of length at least"), ("max_length", "of length at most"))


def plain_type(annotation: Any) -> Any:
    """The annotation without ``Annotated`` and without None."""
    if get_origin(annotation) is Annotated:
        return plain_type(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        members = [arg for arg in get_args(annotation) if arg is not type(None)]
        return plain_type(members[0]) if len(members) == 1 else annotation
    return annotation


def is_secret_type(annotation: Any) -> bool:
    """Whether a value of this type may hold a secret: SecretStr itself, or a backend's URL."""
    return plain_type(annotation) in (SecretStr, BackendUrl)


def expectation(field: FieldInfo) -> str:
    """Like "a whole number from 1 to 65535"."""
    parts = [_type_in_words(plain_type(field.annotation)), _range(field.metadata)]
    return " ".join(filter(None, parts))


def _type_in_words(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return f"one of {_listed(get_args(annotation))}"
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(_type_in_words(plain_type(arg)) for arg in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return f"one of {_listed(member.value for member in annotation)}"
    origin = get_origin(annotation) or annotation
    return _WORDS.get(origin, getattr(origin, "__name__", str(origin)))


def _range(metadata: Iterable[Any]) -> str:
    bounds = {name: getattr(item, name, None) for item in metadata for name, _ in _BOUNDS + _LENGTHS
              if getattr(item, name, None) is not None}  # fmt: skip
    if "ge" in bounds and "le" in bounds:
        return f"from {bounds['ge']} to {bounds['le']}"
    words = [f"{word} {bounds[name]}" for name, word in _BOUNDS + _LENGTHS if name in bounds]
    words += [f"matching {item.pattern}" for item in metadata if getattr(item, "pattern", None)]
    return " and ".join(words)


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(repr(value) for value in values)
