"""Messages as AMQP properties, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from anymq.message import Message
from anymq.outcome import Rejected
from anymq_rabbitmq.wire import ASSIGNED_ID, decode, encode


def _message(**changes: Any) -> Message:
    facts: dict[str, Any] = {"topic": "news", "body": b"x", "id": "id-1", "timestamp": 1000.25}
    return Message(**(facts | changes))


def _received(properties: Basic.Properties, body: bytes = b"x") -> DeliveredMessage:
    header = ContentHeader(properties=properties)
    return cast("DeliveredMessage", SimpleNamespace(header=header, body=body))


def _round_trip(message: Message) -> Message:
    properties = encode(message)
    assert isinstance(properties, Basic.Properties)
    header = ContentHeader(body_size=1, properties=properties)
    read = ContentHeader()
    read.unmarshal(header.marshal())
    return decode(_received(read.properties), topic="news", now=5.0)


def test_metadata_survive_the_wire() -> None:
    """Everything but the address and the body travels in properties."""
    sent = _message(
        headers={"place": "Zürich, 東京", "empty": ""},
        key="vendor-2",
        attempt=3,
        priority=2,
        expires_at=2000.5,
        correlation_id="talk",
        reply_to="answers",
        meta={"traceparent": "00-a-b-01"},
    )

    came = _round_trip(sent)

    for name in ("id", "timestamp", "key", "attempt", "priority", "expires_at", "reply_to"):
        assert getattr(came, name) == getattr(sent, name), name
    assert dict(came.headers) == dict(sent.headers)
    assert dict(came.meta) == dict(sent.meta)


@pytest.mark.parametrize("name", ["CC", "BCC", "x-death", "x-delivery-count", "x-stream-offset"])
def test_names_that_mean_something_to_the_server_are_escaped(name: str) -> None:
    """RabbitMQ would route copies by CC, and overwrite its own."""
    properties = encode(_message(headers={name: "mine"}))

    assert isinstance(properties, Basic.Properties)
    assert name not in (properties.headers or {})
    assert dict(_round_trip(_message(headers={name: "mine"})).headers) == {name: "mine"}


def test_what_the_server_wrote_stays_out_of_the_headers() -> None:
    """A message that went through a delay carries x-death."""
    properties = Basic.Properties(
        headers={"anymq-id": "i", "x-death": [{"count": 1}], "x-delivery-count": 2, "mine": "y"}
    )

    assert dict(decode(_received(properties), topic="news", now=1.0).headers) == {"mine": "y"}


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": {"n" * 129: "v"}},
        {"headers": {"": "v"}},
        {"id": "i" * 256},
        {"content_type": "c" * 256},
    ],
)
def test_what_amqp_has_no_room_for_is_refused(changes: dict[str, Any]) -> None:
    """The client library would cut it, or the server close the connection."""
    refused = encode(_message(**changes))

    assert isinstance(refused, Rejected)
    assert refused.code == "invalid"


def test_a_foreign_message_gets_what_its_properties_say() -> None:
    """Id, time and content type from the standard properties."""
    sent_at = datetime(2026, 1, 2, tzinfo=UTC)
    properties = Basic.Properties(
        message_id="theirs",
        timestamp=sent_at,
        content_type="text/plain",
        headers={"n": 5, "b": True},
    )

    came = decode(_received(properties), topic="news", now=1.0)

    assert (came.id, came.timestamp) == ("theirs", sent_at.timestamp())
    assert came.content_type == "text/plain"
    assert dict(came.headers) == {"n": "5", "b": "true"}
    assert ASSIGNED_ID not in came.meta


def test_a_bare_foreign_message_gets_an_id_that_is_marked() -> None:
    """No headers at all: consumed like any other."""
    came = decode(_received(Basic.Properties()), topic="news", now=7.5)

    assert came.id
    assert came.timestamp == 7.5
    assert came.meta[ASSIGNED_ID] == "1"
