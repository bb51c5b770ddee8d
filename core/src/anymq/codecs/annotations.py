"""What a handler's annotation is made of: which library must read it, which names it declares."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

import msgspec

__all__ = ["Survey", "is_raw", "is_untyped", "survey"]

_CONSTRAINT_PACKAGES = frozenset(["annotated_types", "pydantic", "pydantic_core"])
"""Metadata in ``Annotated`` that msgspec ignores without a word and pydantic enforces."""

_PYDANTIC_PROTOCOL = ("__get_pydantic_core_schema__", "__pydantic_core_schema__")
"""What pydantic itself looks for: on models, its dataclasses, and types such as ``EmailStr``."""


@dataclass(slots=True)
class Survey:
    """What was found anywhere inside an annotation."""

    needs_pydantic: bool = False
    """A pydantic type, or a constraint that only pydantic enforces."""
    has_struct: bool = False
    """A ``msgspec.Struct``, which pydantic cannot read."""
    kinds: set[Any] = field(default_factory=set)
    """Every class, and every generic class with its arguments, such as ``deque[int]``."""
    names: set[str] = field(default_factory=set)
    """Fields and types that the program declares: these may be shown in an error, keys of a body
    may not."""


def is_raw(annotation: Any) -> bool:
    """Tell whether the handler asks for the body as it came."""
    return _bare(annotation) is bytes


def is_untyped(annotation: Any) -> bool:
    """Tell whether the handler takes whatever the format yields."""
    bare = _bare(annotation)
    return bare is Any or bare is object or bare is inspect.Parameter.empty


def survey(annotation: Any) -> Survey:
    """Walk through an annotation and the fields of every class it names, each class once."""
    found = Survey()
    _walk(annotation, found)
    return found


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _walk(node: Any, found: Survey) -> None:
    origin = get_origin(node)
    if origin is typing.Literal:
        return
    if origin is Annotated:
        found.needs_pydantic |= any(_is_constraint(item) for item in node.__metadata__)
    alias = getattr(node, "__supertype__", None) or getattr(node, "__value__", None)
    if alias is not None and not isinstance(node, type):  # NewType, `type X = ...`
        _walk(alias, found)
    for part in get_args(node):
        _walk(part, found)
    if isinstance(origin, type) and origin is not UnionType:
        _walk_generic(node, origin, found)
    elif isinstance(node, type):
        _walk_class(node, found)


def _is_constraint(item: Any) -> bool:
    return type(item).__module__.partition(".")[0] in _CONSTRAINT_PACKAGES


def _walk_generic(node: Any, origin: type, found: Survey) -> None:
    if _declares_fields(origin):
        _walk_class(origin, found)
    else:
        found.kinds.add(node)


def _walk_class(cls: type, found: Survey) -> None:
    if cls in found.kinds:
        return
    found.kinds.add(cls)
    found.names.add(cls.__name__)
    found.needs_pydantic |= any(getattr(cls, name, None) for name in _PYDANTIC_PROTOCOL)
    found.has_struct |= issubclass(cls, msgspec.Struct)
    for name, part in _fields(cls):
        found.names.add(name)
        _walk(part, found)


def _fields(cls: type) -> Iterator[tuple[str, Any]]:
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and issubclass(cls, pydantic.BaseModel):
        yield from _model_fields(cls)
    elif _declares_fields(cls):
        try:
            yield from typing.get_type_hints(cls, include_extras=True).items()
        except (NameError, TypeError):
            return  # a name only its author's scope knows: whoever builds the decoder says so


def _model_fields(cls: Any) -> Iterator[tuple[str, Any]]:
    for name, declared in cls.model_fields.items():
        yield name, declared.annotation
        for alias in (declared.alias, declared.validation_alias):
            if isinstance(alias, str):
                yield alias, None


def _declares_fields(cls: type) -> bool:
    return (
        dataclasses.is_dataclass(cls)
        or typing.is_typeddict(cls)
        or issubclass(cls, msgspec.Struct)
        or hasattr(cls, "__attrs_attrs__")
        or (issubclass(cls, tuple) and hasattr(cls, "_fields"))
    )
