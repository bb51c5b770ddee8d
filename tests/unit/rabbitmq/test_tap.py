"""Frames of tapped channels are taken out of what arrives, however it is cut into pieces."""

from __future__ import annotations

import asyncio
from typing import Any

import pamqp.frame
import pytest
from pamqp.base import Frame
from pamqp.body import ContentBody
from pamqp.commands import Basic, Queue
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from anymq_rabbitmq.arrival import Arrival
from anymq_rabbitmq.data_channel import ack, nack
from anymq_rabbitmq.tap import Tap

OURS, THEIRS = 3, 4


class Seen:
    """Notes what arrives on a tapped channel."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Arrival]] = []
        self.confirms: list[tuple[int, bool, bool]] = []

    def delivered(self, arrival: Arrival) -> None:
        self.messages.append(("delivered", arrival))

    def returned(self, arrival: Arrival) -> None:
        self.messages.append(("returned", arrival))

    def confirmed(self, tag: int, *, multiple: bool, is_taken: bool) -> None:
        self.confirms.append((tag, multiple, is_taken))


def _frames(*frames: Any, number: int) -> bytes:
    return b"".join(pamqp.frame.marshal(frame, number) for frame in frames)


def _content(method: Frame, *parts: bytes) -> bytes:
    header = ContentHeader(
        body_size=sum(map(len, parts)), properties=Basic.Properties(message_id="m", headers={})
    )
    return _frames(method, header, *map(ContentBody, parts), number=OURS)


DELIVER = Basic.Deliver("tag", 7, True, "news", "0")
RETURN = Basic.Return(312, "NO_ROUTE", "news", "1")
PASSED = (
    _frames(Queue.DeclareOk("q", 1, 2), number=OURS)
    + _frames(DELIVER, ContentHeader(body_size=1), ContentBody(b"z"), number=THEIRS)
    + _frames(Heartbeat(), number=0)
)
STREAM = (
    _content(DELIVER, b"one", b"two")
    + PASSED
    + _content(RETURN)
    + _frames(Basic.Ack(9, True), Basic.Nack(10, False), number=OURS)
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 64, 1 << 20])
async def test_pieces_of_any_size(size: int) -> None:
    """Messages, confirms and what is not ours, each in its order."""
    loop = asyncio.get_running_loop()
    reader, seen = asyncio.StreamReader(loop=loop), Seen()
    tap = Tap(reader, loop)
    tap.open(OURS, seen)

    for start in range(0, len(STREAM), size):
        tap.data_received(STREAM[start : start + size])
    reader.feed_eof()

    assert await reader.read() == PASSED
    (first, delivered), (second, returned) = seen.messages
    assert (first, second) == ("delivered", "returned")
    assert (delivered.body, delivered.delivery_tag, delivered.redelivered) == (b"onetwo", 7, True)
    assert (delivered.consumer_tag, delivered.exchange, delivered.routing_key) == (
        "tag",
        "news",
        "0",
    )
    assert delivered.header.properties.message_id == "m"
    assert (returned.exchange, returned.routing_key, returned.body) == ("news", "1", b"")
    assert seen.confirms == [(9, True, True), (10, False, False)]


async def test_a_closed_tap_takes_nothing() -> None:
    """Nor does closing it twice end the next one of that number."""
    loop = asyncio.get_running_loop()
    reader, first, second = asyncio.StreamReader(loop=loop), Seen(), Seen()
    tap = Tap(reader, loop)
    data = _content(DELIVER, b"x")
    tap.open(OURS, first)
    tap.close(OURS, first)
    tap.data_received(data)
    tap.open(OURS, second)
    tap.close(OURS, first)
    tap.data_received(data)
    reader.feed_eof()

    assert await reader.read() == data
    assert not first.messages
    assert len(second.messages) == 1


async def test_another_protocol_is_not_looked_at() -> None:
    """A server that answers with its own version is for aiormq to refuse."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    tap = Tap(reader, loop)
    tap.data_received(b"AMQP\x00\x00\x09\x01")
    reader.feed_eof()

    assert await reader.read() == b"AMQP\x00\x00\x09\x01"


async def test_aiormq_hears_of_a_server_that_sends_us_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would take the silence on its channels for a dead peer."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    tap = Tap(reader, loop)
    tap.open(OURS, Seen())
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now + 1.5)
    tap.data_received(_content(DELIVER, b"x"))
    tap.data_received(_content(DELIVER, b"x"))
    reader.feed_eof()

    assert await reader.read() == _frames(Heartbeat(), number=0)


def test_settlements_are_methods_that_the_client_library_knows() -> None:
    """Compared byte by byte."""
    for ours, theirs in (
        (ack(5), Basic.Ack(5, False)),
        (ack(6, multiple=True), Basic.Ack(6, True)),
        (nack(7), Basic.Nack(7, False, True)),
    ):
        assert b"\x01\x00\x01\x00\x00\x00\x0d" + ours + b"\xce" == _frames(theirs, number=1)
