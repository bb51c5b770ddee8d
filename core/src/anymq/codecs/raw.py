"""Bodies that stay bytes."""

from __future__ import annotations

from typing import Any, ClassVar

from anymq.codecs.annotations import is_raw, is_untyped
from anymq.codecs.codec import Codec, Decoder
from anymq.codecs.values import ENCODED
from anymq.errors import ConfigError, PublishRejected

__all__ = ["RawCodec"]


class RawCodec(Codec):
    """Bytes in, the same bytes out. Interprets nothing, so it takes every content type."""

    name: ClassVar[str] = "raw"
    content_type: ClassVar[str] = "application/octet-stream"
    accepted: ClassVar[frozenset[str]] = frozenset()

    def encode(self, value: Any) -> bytes:
        if not isinstance(value, ENCODED):
            raise PublishRejected(
                "invalid",
                f"the codec 'raw' sends bytes, not a value of type {type(value).__name__}:"
                " encode it, or choose another codec",
            )
        return bytes(value)

    def decoder(self, annotation: Any) -> Decoder:
        if is_raw(annotation) or is_untyped(annotation):
            return bytes
        raise ConfigError(
            f"the codec 'raw' yields bytes, but the handler declares {annotation}:"
            " declare bytes, or choose another codec"
        )

    def accepts(self, content_type: str) -> bool:
        return True
