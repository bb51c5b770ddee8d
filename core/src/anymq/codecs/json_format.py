"""The default codec: JSON, strict on both sides."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from anymq.codecs.annotations import is_raw, is_untyped
from anymq.codecs.codec import Codec, Decoder, media_type
from anymq.codecs.nesting import MAX_DEPTH, is_too_deep
from anymq.codecs.typed import Dialect, ForeignTypes, guarded_decoder, typed_decoder
from anymq.codecs.values import ENCODED, refusal, refuse_non_finite, to_plain

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["JsonCodec", "is_json"]

_JSON_TYPES = frozenset(["application/json", "text/json"])
_CLOUDEVENTS = "application/cloudevents"

_find_null = re.compile(b"null").search
_find_non_finite = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]", re.DOTALL).search
"""A MessagePack double whose exponent is all ones, or (rarely) other data that looks like one."""


class JsonCodec(Codec):
    """JSON as RFC 8259 has it, compact, UTF-8 without a byte order mark. The default.

    Dataclasses, pydantic models, ``msgspec.Struct``, enumerations, UUIDs and sets are written as
    one expects; times as ISO 8601, ``Decimal`` as a string, bytes inside a value as base64. A body
    that is bytes as a whole is sent as it is, taken to be JSON already.

    Refused on both sides: NaN and infinities, lone surrogates, more than ``MAX_DEPTH`` levels. A
    number in quotes is no number, unless a pydantic model takes it. Of equal keys the last counts.
    """

    name: ClassVar[str] = "json"
    content_type: ClassVar[str] = "application/json"
    accepted: ClassVar[frozenset[str]] = _JSON_TYPES

    def __init__(self) -> None:
        self._write = msgspec.json.Encoder(enc_hook=to_plain("json")).encode
        # As JSON, pydantic itself turns NaN into null where a model says Any.
        self._plain = to_plain("python", skips_unknown=True)
        self._pack = msgspec.msgpack.Encoder(enc_hook=self._plain).encode

    def encode(self, value: Any) -> bytes:
        if isinstance(value, ENCODED):
            return bytes(value)
        try:
            body = self._write(value)
            if _find_null(body) is not None:
                self._refuse_non_finite(value)
        except Exception as error:  # noqa: BLE001 - a model's own serializers may raise anything
            failure = refusal(value, "JSON", error)
        else:
            if len(body) <= MAX_DEPTH or not is_too_deep(body):
                return body
            failure = refusal(value, "JSON", RecursionError())
        raise failure

    def decoder(self, annotation: Any) -> Decoder:
        if is_raw(annotation):
            return bytes
        if is_untyped(annotation):
            return guarded_decoder(msgspec.json.Decoder().decode, "JSON", limits_depth=True)
        return typed_decoder(annotation, _DIALECT)

    def accepts(self, content_type: str) -> bool:
        return content_type == "application/json" or is_json(content_type)

    def _refuse_non_finite(self, value: Any) -> None:
        """Raise if the value has a NaN or an infinity: msgspec writes both as ``null``.

        Packing keeps their bits and costs a fraction of walking through the value.
        """
        try:
            is_suspicious = _find_non_finite(self._pack(value)) is not None
        except OverflowError:  # an integer beyond 64 bits: JSON has those, MessagePack has not
            is_suspicious = True
        if is_suspicious:
            plain = msgspec.to_builtins(value, enc_hook=self._plain, str_keys=True)
            refuse_non_finite(plain)


def is_json(content_type: str) -> bool:
    """Tell whether a content type is JSON: by name, or by the suffix ``+json``.

    A structured CloudEvent is not, nor a batch of them: their values are inside an envelope.
    """
    bare = media_type(content_type)
    return bare in _JSON_TYPES or (bare.endswith("+json") and not bare.startswith(_CLOUDEVENTS))


def _native(annotation: Any, foreign_types: ForeignTypes) -> Decoder:
    return msgspec.json.Decoder(annotation, dec_hook=foreign_types).decode


def _with_pydantic(adapter: TypeAdapter[Any]) -> Decoder:
    check_syntax = msgspec.json.Decoder(msgspec.Raw).decode
    validate = adapter.validate_json

    def read(body: bytes) -> Any:
        check_syntax(body)  # pydantic's own parser lets NaN and Infinity pass
        return validate(body)

    return read


_DIALECT = Dialect("JSON", native=_native, with_pydantic=_with_pydantic, limits_depth=True)
