"""Decoders for annotations: msgspec reads them, pydantic where its models or constraints ask."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from anymq.codecs.annotations import Survey, survey
from anymq.codecs.codec import Decoder
from anymq.codecs.explain import explain
from anymq.codecs.nesting import MAX_DEPTH, is_too_deep
from anymq.errors import ConfigError, DecodeError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["Dialect", "ForeignTypes", "guarded_decoder", "typed_decoder"]

ForeignTypes = Callable[[Any, Any], Any]
"""msgspec's ``dec_hook``: builds what msgspec does not know from what it read."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one format is read by either library."""

    label: str
    """The format's name in errors."""
    native: Callable[[Any, ForeignTypes], Decoder]
    """Make msgspec's decoder for a type."""
    with_pydantic: Callable[[TypeAdapter[Any]], Decoder]
    """Make a decoder that validates with pydantic."""
    limits_depth: bool = False
    """Whether bodies are text that ``is_too_deep`` can measure."""


def typed_decoder(annotation: Any, dialect: Dialect) -> Decoder:
    """Make the decoder for one annotation.

    Raises:
        ConfigError: neither library can read the annotation.
    """
    found = survey(annotation)
    inner = _native(annotation, dialect, found) or _with_pydantic(annotation, dialect)
    target = getattr(annotation, "__name__", None) or str(annotation)
    what = f"{dialect.label} as {target}"
    return guarded_decoder(inner, what, names=found.names, limits_depth=dialect.limits_depth)


def guarded_decoder(
    inner: Decoder, what: str, *, names: Collection[str] = (), limits_depth: bool = False
) -> Decoder:
    """Wrap a decoder so that whatever a body provokes comes out as ``DecodeError``.

    The error has no cause and no context: those hold the body, and loggers print them.
    """
    never_deep = MAX_DEPTH if limits_depth else sys.maxsize  # bytes that cannot nest too deep

    def decode(body: bytes) -> Any:
        try:
            if len(body) > never_deep and is_too_deep(body):
                raise RecursionError
            return inner(body)
        except MemoryError:
            raise  # says nothing about the body: to be tried again
        except Exception as error:  # noqa: BLE001 - a type's own checks may raise anything
            reason = explain(error, names)
        raise DecodeError(f"cannot read {len(body)} bytes of {what}: {reason}")

    return decode


def _native(annotation: Any, dialect: Dialect, found: Survey) -> Decoder | None:
    """msgspec's decoder, or None where pydantic must read."""
    if found.needs_pydantic and not found.has_struct:
        return None
    try:
        return dialect.native(annotation, _foreign_types(found.kinds))
    except (TypeError, NameError) as error:
        if found.has_struct:
            raise ConfigError(f"no decoder can be made for {annotation}: {error}") from error
        return None  # such as a union of two dataclasses, which only pydantic tells apart


def _with_pydantic(annotation: Any, dialect: Dialect) -> Decoder:
    return dialect.with_pydantic(_adapter(annotation))


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    from pydantic import PydanticUserError, TypeAdapter
    from pydantic_core import SchemaError

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        if not adapter.pydantic_complete:  # a name unknown so far; it would fail at each message
            adapter.rebuild(raise_errors=True)
    except (PydanticUserError, SchemaError, ImportError, NameError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"no decoder can be made for {annotation}: {reason}") from error
    return adapter


def _foreign_types(kinds: Iterable[Any]) -> ForeignTypes:
    """Let pydantic build the types that msgspec does not know, such as paths and addresses.

    The adapters are made now: a type that pydantic does not know either stops the start.
    """
    adapters = {kind: _adapter(kind) for kind in kinds if _is_foreign(kind)}

    def build(kind: Any, value: Any) -> Any:
        return adapters[kind].validate_python(value)

    return build


def _is_foreign(kind: Any) -> bool:
    try:
        return isinstance(msgspec.inspect.type_info(kind), msgspec.inspect.CustomType)
    except (TypeError, NameError):
        return False  # msgspec says so itself when the decoder is made
