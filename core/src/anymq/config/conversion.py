"""One given value, checked and converted to what a field of a model takes."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import to_json

from anymq.config.expectation import expectation, is_secret_type, plain_type
from anymq.config.given import Given
from anymq.errors import ConfigError
from anymq.urls import is_secret_name

__all__ = ["convert"]

_JSON_TYPES = (str, int, float, list, dict)
_SHOWN_CHARACTERS = 40


def convert(field: FieldInfo, given: Given) -> Any:
    """The value as the field has it. Text may stand for any type; ``true`` is never a number.

    Raises ConfigError naming the place and the allowed range; the value too, unless it is secret.
    """
    problem = ""
    converted = None
    try:
        converted = _validate(_adapter(field), field, given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        problem = _problem(field, given, first["type"], first["msg"], first["loc"])
    if isinstance(converted, float) and not math.isfinite(converted):
        problem = f"must be {expectation(field)}, and finite"
    if problem:
        raise ConfigError(f"{given.origin}: {problem}")
    return converted


def _adapter(field: FieldInfo) -> TypeAdapter[Any]:
    annotation: Any = field.annotation
    if field.metadata:
        annotation = Annotated[annotation, *field.metadata]
    return TypeAdapter(annotation)


def _validate(adapter: TypeAdapter[Any], field: FieldInfo, given: Given) -> Any:
    if given.is_text:
        return adapter.validate_python(_parse(given.value, plain_type(field.annotation)))
    if isinstance(given.value, _JSON_TYPES):
        # As JSON: strict about numbers and texts, yet a list may become a tuple, a text an enum.
        document = to_json(given.value, inf_nan_mode="constants")
        return adapter.validate_json(document, strict=True)
    return adapter.validate_python(given.value)


def _parse(text: Any, annotation: Any) -> Any:
    """Comma lists and JSON for what is more than one value."""
    kind = get_origin(annotation) or annotation
    if not isinstance(text, str) or kind not in (list, tuple, set, frozenset, dict):
        return text
    if text.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text if kind is dict else [part.strip() for part in text.split(",")]


def _problem(
    field: FieldInfo, given: Given, kind: str, message: str, loc: tuple[int | str, ...]
) -> str:
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    inner = f" ({'.'.join(map(str, loc))}: {message})" if loc else ""
    return f"must be {expectation(field)}{inner}{_shown(field, given)}"


def _shown(field: FieldInfo, given: Given) -> str:
    text = json.dumps(given.value, default=repr)
    is_secret = is_secret_type(field.annotation) or is_secret_name(given.origin) or "://" in text
    if is_secret or len(text) > _SHOWN_CHARACTERS:
        return ""
    return f", not {text}"
