"""One message as the server delivered or returned it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pamqp.header import ContentHeader

if TYPE_CHECKING:
    from anymq_rabbitmq.data_channel import DataChannel

__all__ = ["Arrival", "read_arrival"]


@dataclass(slots=True, eq=False)
class Arrival:
    """A delivery, undecoded. Has the fields that a message of the client library has."""

    consumer_tag: str
    delivery_tag: int
    redelivered: bool
    exchange: str
    routing_key: str
    head: bytes = field(default=b"", repr=False)
    """The payload of the content header frame."""
    body: bytes = field(default=b"", repr=False)
    channel: DataChannel = field(init=False, repr=False)
    """Set as soon as it has arrived."""

    @property
    def header(self) -> ContentHeader:
        """The client library's view of the properties, made when it is asked for."""
        header = ContentHeader()
        header.unmarshal(self.head)
        return header


def read_arrival(method: bytes, *, is_return: bool) -> Arrival:
    """From the payload of Basic.Deliver or Basic.Return."""
    if is_return:  # reply code, reply text, exchange, routing key
        at = 7 + method[6]
        consumer_tag, tag, redelivered = "", 0, False
    else:
        end = 5 + method[4]
        consumer_tag = method[5:end].decode("utf-8", "replace")
        tag = int.from_bytes(method[end : end + 8], "big")
        redelivered = bool(method[end + 8] & 1)
        at = end + 9
    end = at + 1 + method[at]
    exchange = method[at + 1 : end].decode("utf-8", "replace")
    routing_key = method[end + 1 : end + 1 + method[end]].decode("utf-8", "replace")
    return Arrival(consumer_tag, tag, redelivered, exchange, routing_key)
