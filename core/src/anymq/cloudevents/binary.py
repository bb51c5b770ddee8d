"""Binary content mode: attributes are headers, the body stays what the codec made."""

from __future__ import annotations

from collections.abc import Mapping

from anymq.cloudevents.attributes import CONTENT_TYPE_HEADER, PREFIX, attributes_of
from anymq.message import Message

__all__ = ["to_binary"]


def to_binary(message: Message, source: str) -> Mapping[str, str]:
    """The headers that make a CloudEvent of the message: ``ce_*`` and ``content-type``.

    ``source`` is the URI reference that says where the event comes from.
    """
    headers: dict[str, str] = {}
    for name, value in attributes_of(message, source).items():
        headers[CONTENT_TYPE_HEADER if name == "datacontenttype" else PREFIX + name] = value
    return headers
