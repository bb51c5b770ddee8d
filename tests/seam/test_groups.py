"""Scenario 2: every group gets everything, whether it listened at the time or not."""

from __future__ import annotations

import pytest

from anymq.errors import TopologyError
from anymq.message import Delivery, Message
from tests.seam.seam import CALL_S, Seam
from tests.seam.traffic import ack, collect, nothing_comes, send


async def test_two_groups_each_get_all(seam: Seam) -> None:
    """One group listens while messages are sent, the other one joins only afterwards."""
    broker = await seam.open_broker()
    await seam.declare(broker, "news", "desk", "archive")
    messages = {message.id: message for message in (seam.message("news", n) for n in range(20))}
    listening = await seam.subscribe(broker, "news", "desk")

    await send(broker, list(messages.values())[:10])
    await send(broker, list(messages.values())[10:])

    late = await seam.subscribe(broker, "news", "archive")
    for group, subscription in (("desk", listening), ("archive", late)):
        deliveries = await collect(subscription, 20, within_s=CALL_S)
        assert {delivery.id for delivery in deliveries} == set(messages)
        for delivery in deliveries:
            _assert_same(delivery, messages[delivery.id], group)
        await ack(subscription, deliveries)
    await nothing_comes(listening, for_s=0.5)
    await nothing_comes(late, for_s=0.5)


def _assert_same(delivery: Delivery, sent: Message, group: str) -> None:
    """What arrived is what was sent: the bytes, the address by its logical name, the metadata."""
    assert delivery.group == group
    assert delivery.body == sent.body
    assert delivery.topic == sent.topic
    assert delivery.headers == sent.headers
    assert delivery.key == sent.key
    assert delivery.attempt == 1
    assert not delivery.redelivered
    assert delivery.message.lane == "main"
    assert delivery.timestamp == sent.timestamp
    assert delivery.correlation_id == sent.correlation_id
    assert delivery.content_type == sent.content_type


async def test_nobody_joins_what_is_not_declared(seam: Seam) -> None:
    """A missing group and a missing topic are told when subscribing, not by silence."""
    broker = await seam.open_broker()
    await seam.declare(broker, "news", "desk")

    with pytest.raises(TopologyError):
        await seam.subscribe(broker, "news", "archive")
    with pytest.raises(TopologyError):
        await seam.subscribe(broker, "nowhere", "desk")
