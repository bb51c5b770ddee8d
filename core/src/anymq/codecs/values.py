"""Values on their way out: what the encoders do not know by themselves, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from anymq.errors import PublishRejected

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["ENCODED", "NonFinite", "Unwritable", "refusal", "refuse_non_finite", "to_plain"]

ENCODED = (bytes, bytearray, memoryview)
"""A body of one of these types is taken to be encoded already."""


def to_plain(
    mode: Literal["json", "python"], *, skips_unknown: bool = False
) -> Callable[[Any], Any]:
    """Make msgspec's ``enc_hook``: pydantic models, and all else that pydantic can take apart.

    Models are written by alias, as they are validated. ``mode`` is pydantic's. For a look at what
    a value holds, instead of writing it, types that nobody knows may be skipped.
    """

    def plain(value: Any) -> Any:
        if isinstance(value, tuple | frozenset):  # asked only where it is the key of a dict
            raise TypeError
        base_model, take_apart = _pydantic()
        if isinstance(value, base_model):
            # Its warnings would show values; what does not fit, the consumer refuses.
            return value.model_dump(mode=mode, by_alias=True, warnings=False)
        try:
            return take_apart(value, by_alias=True)
        except ValueError:  # pydantic's text holds a repr: said below without it
            kind = type(value).__name__
        if skips_unknown:
            return None
        raise Unwritable(f"it holds a {kind}, which the format does not have")

    return plain


@lru_cache(maxsize=1)
def _pydantic() -> tuple[type[BaseModel], Callable[..., Any]]:
    """pydantic's part in it, imported by the first value that needs it."""
    from pydantic import BaseModel
    from pydantic_core import to_jsonable_python

    return BaseModel, to_jsonable_python


def refuse_non_finite(plain: Any) -> None:
    """Raise ``NonFinite`` if plain objects hold a NaN or an infinity."""
    try:
        json.dumps(plain, allow_nan=False)
    except ValueError:
        raise NonFinite from None


class Unwritable(TypeError):
    """The format has no form for a type. The text names the type alone."""


class NonFinite(ValueError):
    """NaN and infinities have no JSON."""


def refusal(value: Any, label: str, error: Exception) -> PublishRejected:
    """Say why a value cannot be published, in words that hold nothing of the value."""
    reason = f"{type(error).__name__} from a part of it"
    if isinstance(error, RecursionError):
        reason = "it is nested too deep, or contains itself"
    elif isinstance(error, NonFinite):
        reason = "NaN and infinities have no place in it"
    elif isinstance(error, UnicodeError):
        reason = "a text in it has a lone surrogate"
    elif isinstance(error, Unwritable):
        reason = str(error)
    elif isinstance(error, OverflowError):
        reason = "an integer in it has more than 64 bits"
    elif isinstance(error, TypeError):
        reason = "it holds a key of a type that the format does not have"
    return PublishRejected(
        "invalid", f"cannot write a value of type {type(value).__name__} as {label}: {reason}"
    )
