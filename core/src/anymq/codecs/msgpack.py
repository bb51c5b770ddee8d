"""MessagePack: smaller than JSON, and bytes and times stay what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from anymq.codecs.annotations import is_raw, is_untyped
from anymq.codecs.codec import Codec, Decoder
from anymq.codecs.typed import Dialect, ForeignTypes, guarded_decoder, typed_decoder
from anymq.codecs.values import ENCODED, refusal, to_plain

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["MsgpackCodec"]


class MsgpackCodec(Codec):
    """MessagePack with its timestamp extension and no other.

    As in JSON, a body that is bytes as a whole is taken to be encoded already. NaN and infinities
    are allowed; integers have at most 64 bits.
    """

    name: ClassVar[str] = "msgpack"
    content_type: ClassVar[str] = "application/msgpack"
    accepted: ClassVar[frozenset[str]] = frozenset(
        ["application/msgpack", "application/x-msgpack", "application/vnd.msgpack"]
    )

    def __init__(self) -> None:
        self._write = msgspec.msgpack.Encoder(enc_hook=to_plain("python")).encode

    def encode(self, value: Any) -> bytes:
        if isinstance(value, ENCODED):
            return bytes(value)
        try:
            return self._write(value)
        except Exception as error:  # noqa: BLE001 - a model's own serializers may raise anything
            failure = refusal(value, "MessagePack", error)
        raise failure

    def decoder(self, annotation: Any) -> Decoder:
        if is_raw(annotation):
            return bytes
        if is_untyped(annotation):
            return guarded_decoder(_reader(Any), "MessagePack")
        return typed_decoder(annotation, _DIALECT)


def _refuse_extension(code: int, data: memoryview) -> Any:
    raise ValueError("an extension type")


def _reader(annotation: Any, foreign_types: ForeignTypes | None = None) -> Decoder:
    return msgspec.msgpack.Decoder(
        annotation, dec_hook=foreign_types, ext_hook=_refuse_extension
    ).decode


def _with_pydantic(adapter: TypeAdapter[Any]) -> Decoder:
    unpack = _reader(Any)

    def read(body: bytes) -> Any:
        return adapter.validate_python(unpack(body))

    return read


_DIALECT = Dialect("MessagePack", native=_reader, with_pydantic=_with_pydantic)
