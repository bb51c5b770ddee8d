"""Which frames settle what is held."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from pamqp.commands import Basic

from anymq.message import Delivery, Message
from anymq_rabbitmq.data_channel import DataChannel
from anymq_rabbitmq.settling import Holdings, Token


def _delivery(channel: DataChannel, tag: int) -> Delivery:
    message = Message(topic="t", body=b"", id=str(tag), timestamp=0.0)
    return Delivery(message, group="g", token=Token(channel, tag, "t.g", "g", "t.g"))


@pytest.fixture
def channel() -> DataChannel:
    """An open channel, as far as holdings look at one."""
    return cast("DataChannel", SimpleNamespace(is_closed=False))


@pytest.fixture
def held(channel: DataChannel) -> Holdings:
    """Tags 1 to 6."""
    holdings = Holdings()
    for tag in range(1, 7):
        holdings.add(_delivery(channel, tag))
    return holdings


def _frames(held: Holdings, acks: set[int], releases: set[int]) -> list[tuple[str, int, bool]]:
    found: list[tuple[str, int, bool]] = []
    for method in held.frames(acks, releases):
        read = Basic.Ack() if method[:4] == b"\x00\x3c\x00\x50" else Basic.Nack()
        read.unmarshal(method[4:])
        found.append((read.name, read.delivery_tag or 0, read.multiple))
    return found


def test_a_prefix_without_a_gap_takes_one_frame(held: Holdings) -> None:
    """Everything held up to the tag is meant."""
    assert _frames(held, {1, 2, 3}, set()) == [("Basic.Ack", 3, True)]


def test_behind_a_gap_each_tag_is_acked_alone(held: Holdings) -> None:
    """Tag 3 stays: nothing may reach over it."""
    assert _frames(held, {1, 2, 4, 6}, set()) == [
        ("Basic.Ack", 2, True),
        ("Basic.Ack", 4, False),
        ("Basic.Ack", 6, False),
    ]


def test_releases_go_first_and_are_no_gap(held: Holdings) -> None:
    """When the ack comes the server has taken the released ones back already."""
    assert _frames(held, {1, 3}, {2}) == [("Basic.Nack", 2, False), ("Basic.Ack", 3, True)]


def test_a_delivery_is_claimed_once(held: Holdings, channel: DataChannel) -> None:
    """A second settlement, a stranger's and one of a lost channel are stale."""
    delivery = _delivery(channel, 7)
    held.add(delivery)

    assert held.claim(delivery) is delivery.token
    assert held.claim(delivery) is None
    assert held.claim(_delivery(channel, 6)) is None
    channel.is_closed = True  # type: ignore[misc]  # a stand-in
    assert held.claim(_delivery(channel, 5)) is None


def test_what_is_being_settled_is_not_told_as_lost(held: Holdings, channel: DataChannel) -> None:
    """Its handler is done; the settlement's own answer tells what became of it."""
    settling = _delivery(channel, 7)
    held.add(settling)
    held.claim(settling)

    lost = held.clear()

    assert [delivery.id for delivery in lost] == ["1", "2", "3", "4", "5", "6"]
    assert len(held) == 0
