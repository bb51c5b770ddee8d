"""Which content mode an application writes; both are read, whichever it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

from anymq.cloudevents.attributes import (
    CONTENT_TYPE_HEADER,
    PREFIX,
    content_type_header,
    without_attributes,
)
from anymq.cloudevents.binary import to_binary
from anymq.cloudevents.structured import CLOUDEVENT_TYPE, from_structured, to_structured
from anymq.codecs.codec import media_type
from anymq.errors import ConfigError
from anymq.message import Message

__all__ = ["CloudEventsMode", "ContentMode"]

ContentMode = Literal["binary", "structured"]


class CloudEventsMode:
    """Makes events of outgoing messages, and plain messages of incoming events."""

    __slots__ = ("mode", "source")

    def __init__(self, mode: ContentMode, *, source: str) -> None:
        """Take the mode to write, and the URI reference that all events name as their source.

        Raises:
            ConfigError: the mode is unknown or the source empty.
        """
        if mode not in get_args(ContentMode):
            raise ConfigError(f"cloudevents must be 'binary' or 'structured', not {mode!r}")
        if not source:
            raise ConfigError("cloudevents needs a source: a URI reference that is not empty")
        self.mode = mode
        self.source = source

    def wrap(self, message: Message) -> Message:
        """Return the message as an event. The one given is encoded, and stays as it is.

        Raises:
            PublishRejected: (``invalid``) structured, and the body is not the JSON it says it is.
        """
        if self.mode == "binary":
            added = to_binary(message, self.source)
            return replace(message, headers={**message.headers, **added})
        return replace(
            message,
            body=to_structured(message, self.source),
            content_type=CLOUDEVENT_TYPE,
            headers=without_attributes(message.headers) | {CONTENT_TYPE_HEADER: CLOUDEVENT_TYPE},
        )

    def unwrap(self, message: Message, *, is_sealed: bool = False) -> Message:
        """Return the message with its data as body; what is no structured event keeps its own.

        The attributes are headers ``ce_*`` afterwards, in either mode. A foreign client's header
        ``content-type`` counts, except on sealed messages: there it is not authenticated.

        Raises:
            DecodeError: it says that it is a structured event, and is not.
        """
        foreign = None if is_sealed else content_type_header(message.headers)
        content_type = foreign or message.content_type
        if media_type(content_type) != CLOUDEVENT_TYPE:
            is_same = content_type == message.content_type
            return message if is_same else replace(message, content_type=content_type)
        attributes, data = from_structured(message.body)
        content_type = attributes.pop("datacontenttype", "application/json")
        headers = {PREFIX + name: value for name, value in attributes.items()}
        headers[CONTENT_TYPE_HEADER] = content_type
        return replace(
            message,
            body=data,
            content_type=content_type,
            headers={**message.headers, **headers},
        )
