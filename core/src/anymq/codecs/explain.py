"""Errors of decoders in words that never repeat the body: not a value, not a key, not a byte."""

from __future__ import annotations

import json
import re
import sys
import typing
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

__all__ = ["Unfit", "explain"]

_MAX_SHOWN = 3
"""Mistakes told of one body; the first says enough, and reasons of dead letters stay short."""

_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `(?P<where>[^`]*)`)?$", re.DOTALL)

_TYPE_ONLY = re.compile(
    r"Expected `|Object missing required field `|Invalid (RFC3339|ISO8601|UUID|base64|decimal|epoch"
    r"|MessagePack)|JSON is malformed: |MessagePack data is malformed: (map|trailing)"
    r"|Input data was truncated$|Integer value out of range|Number out of range"
)
"""Texts of msgspec that consist of the declared type and positions alone."""

_DECLARED_CONTEXT = frozenset(
    [
        *("gt", "ge", "lt", "le", "multiple_of"),
        *("min_length", "max_length", "actual_length", "field_type", "pattern", "expected"),
        *("max_digits", "decimal_places", "whole_digits", "tz_expected"),
        *("expected_schemes", "expected_version", "class", "class_name", "discriminator"),
    ]
)
"""What pydantic may fill into a text: these come from the model, everything else may be input."""


class Unfit(ValueError):
    """A body breaks a rule of ours. The text names the rule alone, so it is shown as it is."""


def explain(error: Exception, names: Collection[str] = ()) -> str:
    """Say what is wrong and where. ``names``: fields and types the program itself declares."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, UnicodeError):
        return "a text in it is not valid UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"JSON is malformed (character {error.pos})"
    if isinstance(error, Unfit):
        return str(error)
    if _is_pydantic(error):
        return _explain_pydantic(error, names)
    if isinstance(error, msgspec.MsgspecError):
        return _explain_msgspec(error, names)
    return f"a check raised {type(error).__name__}"


def _explain_msgspec(error: msgspec.MsgspecError, names: Collection[str]) -> str:
    match = _PLACE.match(str(error))
    where = f" at {match['where']}" if match and match["where"] else ""
    if isinstance(error.__cause__, Exception):
        return explain(error.__cause__, names) + where
    what = match["what"] if match else ""
    if what.startswith("Object contains unknown field"):
        return f"Object contains an unknown field{where}"
    if what.startswith("Invalid"):
        shown = what if _TYPE_ONLY.match(what) else "Invalid value: not one of those declared"
        return shown + where
    return (what if _TYPE_ONLY.match(what) else "Malformed") + where


def _explain_pydantic(error: Any, names: Collection[str]) -> str:
    details = error.errors(include_url=False, include_input=False)
    shown = [_mistake(detail, names) for detail in details[:_MAX_SHOWN]]
    if len(details) > _MAX_SHOWN:
        shown.append(f"and {len(details) - _MAX_SHOWN} more")
    return "; ".join(shown)


def _mistake(detail: Mapping[str, Any], names: Collection[str]) -> str:
    kind = detail["type"]
    is_declared = kind in _known_kinds() and _DECLARED_CONTEXT.issuperset(detail.get("ctx") or ())
    return f"{detail['msg'] if is_declared else kind} at {_place(detail['loc'], names)}"


def _place(parts: Iterable[int | str], names: Collection[str]) -> str:
    shown = (
        f"[{part}]" if isinstance(part, int) else f".{part}" if part in names else "[...]"
        for part in parts
    )
    return "$" + "".join(shown)


@lru_cache(maxsize=1)
def _known_kinds() -> frozenset[str]:
    """Pydantic's own kinds of error. A kind that a program made may carry any text."""
    from pydantic_core import core_schema

    return frozenset(typing.get_args(core_schema.ErrorType))


def _is_pydantic(error: Exception) -> bool:
    pydantic = sys.modules.get("pydantic_core")
    return pydantic is not None and isinstance(error, pydantic.ValidationError)
