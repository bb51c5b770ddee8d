"""JSON by the standard library: slower, and stricter where the default codec cannot afford it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import msgspec

from anymq.codecs.annotations import is_raw, is_untyped
from anymq.codecs.codec import Codec, Decoder
from anymq.codecs.explain import Unfit
from anymq.codecs.json_format import is_json
from anymq.codecs.nesting import is_too_deep
from anymq.codecs.typed import Dialect, ForeignTypes, guarded_decoder, typed_decoder
from anymq.codecs.values import ENCODED, refusal, refuse_non_finite, to_plain

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["StdlibJsonCodec"]

_may_have_surrogate = re.compile(rb"\\u[dD][89a-fA-F]").search


class StdlibJsonCodec(Codec):
    """The same JSON as the default codec, written and read by the module ``json``.

    Besides what the default refuses, it refuses objects in which a key occurs twice, and numbers
    too large for a float, also where a pydantic model is to read them.
    """

    name: ClassVar[str] = "json-stdlib"
    content_type: ClassVar[str] = "application/json"
    accepted: ClassVar[frozenset[str]] = frozenset(["application/json", "text/json"])

    def __init__(self) -> None:
        self._as_json = to_plain("json")
        self._as_python = to_plain("python", skips_unknown=True)

    def encode(self, value: Any) -> bytes:
        if isinstance(value, ENCODED):
            return bytes(value)
        try:
            return self._write(value)
        except Exception as error:  # noqa: BLE001 - a model's own serializers may raise anything
            failure = refusal(value, "JSON", error)
        raise failure

    def decoder(self, annotation: Any) -> Decoder:
        if is_raw(annotation):
            return bytes
        if is_untyped(annotation):
            return guarded_decoder(_read, "JSON", limits_depth=True)
        return typed_decoder(annotation, _DIALECT)

    def accepts(self, content_type: str) -> bool:
        return is_json(content_type)

    def _write(self, value: Any) -> bytes:
        plain = msgspec.to_builtins(value, enc_hook=self._as_json, str_keys=True)
        text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
        refuse_non_finite(msgspec.to_builtins(value, enc_hook=self._as_python, str_keys=True))
        body = text.encode()
        if is_too_deep(body):
            raise RecursionError
        return body


def _read(body: bytes) -> Any:
    value = json.loads(
        body.decode(),
        object_pairs_hook=_unique,
        parse_constant=_no_constant,
        parse_float=_finite,
    )
    if _may_have_surrogate(body):
        json.dumps(value, ensure_ascii=False).encode()  # a lone one raises UnicodeEncodeError
    return value


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Unfit("an object has the same key twice")
    return members


def _no_constant(text: str) -> NoReturn:
    raise Unfit("NaN and infinities are no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise Unfit("a number is too large")
    return number


def _native(annotation: Any, foreign_types: ForeignTypes) -> Decoder:
    msgspec.json.Decoder(annotation, dec_hook=foreign_types)  # raises for types it cannot read

    def read(body: bytes) -> Any:
        return msgspec.convert(_read(body), annotation, dec_hook=foreign_types)

    return read


def _with_pydantic(adapter: TypeAdapter[Any]) -> Decoder:
    def read(body: bytes) -> Any:
        _read(body)
        return adapter.validate_json(body)

    return read


_DIALECT = Dialect("JSON", native=_native, with_pydantic=_with_pydantic, limits_depth=True)
