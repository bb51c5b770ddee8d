"""From a message to the value that the handler asked for: content type, envelope, codec."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anymq.codecs.codec import Codec, Decoder, media_type
from anymq.codecs.envelope import Envelope
from anymq.codecs.failures import DecryptError, UntrustedContent
from anymq.codecs.seal import ENCRYPTION_HEADER
from anymq.message import Message

__all__ = ["BodyReader", "body_reader"]

BodyReader = Callable[[Message], Any]
"""Yields the value of a message. Raises ``DecodeError``, whatever the message holds."""

_MAX_SHOWN = 80
"""Characters of a foreign content type that an error repeats."""


def body_reader(
    codec: Codec, annotation: Any, *, envelope: Envelope | None = None, is_opened: bool = False
) -> BodyReader:
    """Make the function that reads messages for a parameter with this annotation; once, at start.

    With an ``envelope`` it unwraps them first; ``is_opened``: somebody else has done that.

    A message with a content type that the codec does not read is refused before its body is
    touched; one without any (a foreign client's) has the default, JSON.

    Raises:
        ConfigError: no decoder can be made for the annotation.
    """
    is_opened = is_opened or envelope is not None
    read = _reader(codec, codec.decoder(annotation), is_opened=is_opened)
    if envelope is None:
        return read
    unwrap = envelope.unwrap
    return lambda message: read(unwrap(message))


def _reader(codec: Codec, decode: Decoder, *, is_opened: bool) -> BodyReader:
    usual = codec.content_type
    accepts = codec.accepts

    def read(message: Message) -> Any:
        content_type = message.content_type
        if content_type != usual and not accepts(content_type):
            raise _untrusted(codec, content_type)
        if not is_opened and ENCRYPTION_HEADER in message.meta:
            raise DecryptError("the message is encrypted, and this subscriber has no keys")
        return decode(message.body)

    return read


def _untrusted(codec: Codec, content_type: str) -> UntrustedContent:
    hint = ""
    if media_type(content_type).startswith("application/cloudevents"):
        hint = "; configure cloudevents to have its data read"
    return UntrustedContent(
        f"untrusted content type {content_type[:_MAX_SHOWN]!r}: the codec {codec.name!r} reads"
        f" {codec.content_type}{hint}"
    )
