"""Messages as AMQP properties, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from anymq.message import Message
from anymq.outcome import Rejected
from anymq_rabbitmq.arrival import Arrival
from anymq_rabbitmq.properties import Properties, encode_head, read_head
from anymq_rabbitmq.wire import ASSIGNED_ID, decode, encode


def _message(**changes: Any) -> Message:
    facts: dict[str, Any] = {"topic": "news", "body": b"x", "id": "id-1", "timestamp": 1000.25}
    return Message(**(facts | changes))


def _arrival(head: bytes, body: bytes = b"x") -> Arrival:
    return Arrival("", 1, False, "news", "0", head=head, body=body)


def _received(properties: Basic.Properties) -> Arrival:
    """As the client library writes it."""
    header = ContentHeader(body_size=1, properties=properties)
    return _arrival(header.marshal())


def _round_trip(message: Message) -> Message:
    properties = encode(message)
    assert isinstance(properties, Properties)
    return decode(_arrival(encode_head(properties, 1)), topic="news", now=5.0)


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

    assert isinstance(properties, Properties)
    assert name not in properties.headers
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


def test_the_client_library_reads_what_we_write() -> None:
    """Every property that AnyMQ may set."""
    ours = Properties(
        content_type="text/plain",
        headers={"name": "Zürich", "long": "x" * 70_000, "": "?"},
        message_id="id-1",
        timestamp=1_700_000_000,
        expiration_ms=2500,
        priority=2,
    )
    ours.headers.pop("")

    header = ContentHeader()
    header.unmarshal(encode_head(ours, 77))

    theirs = header.properties
    assert header.body_size == 77
    assert (theirs.content_type, theirs.message_id) == ("text/plain", "id-1")
    assert theirs.headers == ours.headers
    assert (theirs.delivery_mode, theirs.priority, theirs.expiration) == (2, 2, "2500")
    assert theirs.timestamp is not None
    assert theirs.timestamp.timestamp() == 1_700_000_000


def test_we_read_what_the_client_library_writes() -> None:
    """All properties at once, and a field of every kind that it knows."""
    sent_at = datetime(2026, 1, 2, tzinfo=UTC)
    headers: dict[str, Any] = {
        "text": "Zürich",
        "bytes": bytearray(b"\xff\x00"),
        "flag": True,
        "small": 5,
        "large": 2**40,
        "moment": sent_at,
        "table": {"in": {"side": 1}},
        "list": ["a", 2, {"b": False}],
        "none": None,
    }
    theirs = Basic.Properties(
        content_type="text/plain",
        content_encoding="gzip",
        headers=headers,
        delivery_mode=1,
        priority=9,
        correlation_id="c",
        reply_to="r",
        expiration="60000",
        message_id="m",
        timestamp=sent_at,
        message_type="t",
        user_id="guest",
        app_id="a",
    )

    content_type, found, message_id, timestamp = read_head(_received(theirs).head)

    assert (content_type, message_id, timestamp) == ("text/plain", "m", sent_at.timestamp())
    assert found.pop("bytes") == bytearray(b"\xff\x00")
    assert found == {name: value for name, value in headers.items() if name != "bytes"}
