"""What other clients put on the wire must stop nobody."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from pamqp import encode
from pamqp.commands import Basic

from anymq_rabbitmq.scratch import scratch_channel
from tests.unit.rabbitmq.driving import CALL_S, ack, collect, join, message


class Raw(bytes):
    """A header's value, as the very bytes of the wire."""


def _long(kind: bytes, content: bytes) -> Raw:
    return Raw(kind + struct.pack(">I", len(content)) + content)


def _nested(depth: int) -> Raw:
    content = b"\x01a" + b"V"
    for _ in range(depth):
        content = b"\x01a" + _long(b"F", content)
    return _long(b"F", content)


ODD = {
    "bytes that are no text": Raw(_long(b"S", b"\x8d\xff")),
    "a moment in the year 292278994": Raw(b"T" + struct.pack(">Q", 2**63)),
    "nested without an end": _nested(500),
    "an array of everything": Raw(_long(b"A", b"t\x01" + b"I\xff\xff\xff\xff" + b"V")),
    "a table": {"a": [1, {"b": None}]},
}


@pytest.fixture
def raw_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the foreign client write Raw values unchanged."""
    original = encode.encode_table_value

    def encode_value(value: Any) -> bytes:
        return bytes(value) if isinstance(value, Raw) else original(value)

    monkeypatch.setattr(encode, "encode_table_value", encode_value)


@pytest.mark.usefixtures("raw_headers")
async def test_odd_headers_arrive_and_the_connection_lives(rig: Any) -> None:
    """One by one and all together; what comes behind them arrives too."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    desk = await join(broker, "desk")
    odd: list[Any] = [{"odd": value} for value in ODD.values()] + [dict(ODD)]
    async with scratch_channel(broker._links.consuming, "being foreign", CALL_S) as channel:
        for headers in odd:
            await channel.basic_publish(
                b"{}",
                exchange=f"{rig.context.namespace}.news",
                properties=Basic.Properties(headers=headers, delivery_mode=2),
            )
    await broker.send([message()], timeout_s=CALL_S)

    deliveries = await collect(desk, len(odd) + 1)

    await ack(desk, deliveries)
    assert [event.kind for event in rig.events] == ["connected"]
    assert deliveries[1].headers["odd"] == str(2**63)
    assert deliveries[3].headers["odd"] == "[true, -1, null]"
    assert set(deliveries[5].headers) == set(ODD)


async def test_numbers_that_are_none_get_their_default(rig: Any) -> None:
    """In our own headers, which a foreign client may copy."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    desk = await join(broker, "desk")
    names = ("anymq-attempt", "anymq-partition", "anymq-priority", "anymq-expires-at")
    async with scratch_channel(broker._links.consuming, "being foreign", CALL_S) as channel:
        for number in ("nan", "inf", "-inf", "1e400", "one", ""):
            await channel.basic_publish(
                b"{}",
                exchange=f"{rig.context.namespace}.news",
                properties=Basic.Properties(headers=dict.fromkeys(names, number)),
            )

    deliveries = await collect(desk, 6)

    await ack(desk, deliveries)
    facts = {(d.attempt, d.partition, d.message.priority, d.message.expires_at) for d in deliveries}
    assert facts == {(1, 0, 1, None)}
