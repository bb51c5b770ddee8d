"""Structured content mode: one JSON body holds the attributes and the data."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

import msgspec

from anymq.cloudevents.attributes import attributes_of
from anymq.codecs.json_format import is_json
from anymq.codecs.typed import guarded_decoder
from anymq.errors import PublishRejected
from anymq.message import Message

__all__ = ["CLOUDEVENT_TYPE", "from_structured", "to_structured"]

CLOUDEVENT_TYPE = "application/cloudevents+json"

_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Event(msgspec.Struct):
    """What every event has, and its data in either form."""

    specversion: Literal["1.0"]
    id: _Text
    source: _Text
    type: _Text
    datacontenttype: _Text | None = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data_base64: bytes | None = None


_write = msgspec.json.Encoder().encode
_read_event = msgspec.json.Decoder(_Event).decode
_read_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_attribute = msgspec.json.Decoder(str | int | bool | None).decode
_check_syntax = msgspec.json.Decoder(msgspec.Raw).decode


def to_structured(message: Message, source: str) -> bytes:
    """Put an encoded message into one JSON event. JSON data stands in it as it is, byte for byte.

    Raises:
        PublishRejected: (``invalid``) the content type says JSON, but the body is none.
    """
    event: dict[str, Any] = {**attributes_of(message, source)}
    if not is_json(message.content_type):
        event["data_base64"] = base64.b64encode(message.body).decode()
    elif not _is_wellformed(message.body):
        raise PublishRejected(
            "invalid", f"the body is no JSON, though its content type is {message.content_type}"
        )
    else:
        event["data"] = msgspec.Raw(message.body)
    return _write(event)


def from_structured(body: bytes) -> tuple[dict[str, str], bytes]:
    """Return the attributes of a JSON event, and its data as a body.

    JSON data comes back byte for byte; a string under another content type as its UTF-8 bytes.
    Attributes that are numbers or booleans come as text. An event without data has the body
    ``null`` where its content type is JSON, and an empty one elsewhere.

    Raises:
        DecodeError: it is no JSON, or not a CloudEvent of version 1.0.
    """
    attributes, data = _parse(body)
    return attributes, data


def _parse_event(body: bytes) -> tuple[dict[str, str], bytes]:
    event = _read_event(body)
    attributes = {
        name: _as_text(_read_attribute(value))
        for name, value in _read_members(body).items()
        if name not in ("data", "data_base64") and bytes(value) != b"null"
    }
    return attributes, _data(event)


_parse = guarded_decoder(_parse_event, "a structured CloudEvent", limits_depth=True)


def _data(event: _Event) -> bytes:
    has_json = is_json(event.datacontenttype or "application/json")
    if event.data_base64 is not None:
        return event.data_base64
    if event.data is msgspec.UNSET:
        return b"null" if has_json else b""
    raw = bytes(event.data)
    if has_json or not raw.startswith(b'"'):
        return raw
    text: str = msgspec.json.decode(raw, type=str)
    return text.encode()


def _as_text(value: str | float | bool | None) -> str:
    return value if isinstance(value, str) else str(value).lower()


def _is_wellformed(body: bytes) -> bool:
    try:
        _check_syntax(body)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
