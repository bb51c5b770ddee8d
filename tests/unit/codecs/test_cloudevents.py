"""CloudEvents 1.0 in both modes, checked against the CloudEvents project's own library."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from anymq.cloudevents import (
    CLOUDEVENT_TYPE,
    CloudEventsMode,
    attributes_of,
    from_headers,
    from_structured,
    to_binary,
    to_structured,
)
from anymq.codecs import Envelope, HmacSeal, JsonCodec, Keyring, RawCodec, UntrustedContent
from anymq.codecs import body_reader as reader
from anymq.errors import ConfigError
from anymq.message import Message

MESSAGE = Message(
    "newstopic",
    b'{"a": 1.0, "b":"\\u017e"}',
    "0192-id",
    1_700_000_000.25,
    key="vendor-2",
    headers={
        "plain": "kept",
        "ce_type": "com.example.hired",
        "ce_subject": "žluť",
        "ce_trust": "1",
    },
)
ATTRIBUTES = {
    "specversion": "1.0",
    "id": "0192-id",
    "source": "/news",
    "type": "com.example.hired",
    "time": "2023-11-14T22:13:20.250000Z",
    "partitionkey": "vendor-2",
    "subject": "žluť",
    "trust": "1",
    "datacontenttype": "application/json",
}
BINARY = CloudEventsMode("binary", source="/news")
STRUCTURED = CloudEventsMode("structured", source="/news")
MODES = pytest.mark.parametrize("mode", [BINARY, STRUCTURED], ids=["binary", "structured"])


def as_kafka(message: Message) -> kafka.KafkaMessage:
    """What a foreign Kafka client sees of a message."""
    headers = {name: value.encode() for name, value in message.headers.items()}
    return kafka.KafkaMessage(headers=headers, key=message.key, value=message.body)


def test_attributes_are_the_messages() -> None:
    """Id, time and key come from the message, type from the topic unless a header says it."""
    plain = attributes_of(Message("t", b"", "i", 0.0), "urn:x")

    assert attributes_of(MESSAGE, "/news") == ATTRIBUTES
    assert plain == {
        "specversion": "1.0",
        "id": "i",
        "source": "urn:x",
        "type": "t",
        "time": "1970-01-01T00:00:00Z",
        "datacontenttype": "application/json",
    }


def test_copied_headers_do_not_make_a_false_event() -> None:
    """Headers of an event that is passed on do not lend it their id, time or data."""
    stale = {"ce_id": "old", "ce_time": "old", "ce_specversion": "0.3", "ce_data": "x"}
    message = Message("t", b"", "new", 0.0, headers={**stale, "content-type": "text/plain"})

    attributes = attributes_of(message, "/s")

    assert (attributes["id"], attributes["specversion"]) == ("new", "1.0")
    assert attributes["datacontenttype"] == "application/json"
    assert "data" not in attributes


@pytest.mark.parametrize("prefix", ["ce_", "ce-", "CE_", "cloudEvents:", "cloudEvents_"])
def test_headers_of_every_binding_are_read(prefix: str) -> None:
    """Kafka, RabbitMQ and AMQP 1.0 spell them differently."""
    headers = {f"{prefix}id": "1", f"{prefix}Source": "/s", "ce_no-name": "", "Content-Type": "a/b"}

    assert from_headers(headers) == {"id": "1", "source": "/s", "datacontenttype": "a/b"}


def test_without_attributes_there_is_no_event() -> None:
    """A content type alone makes none."""
    assert from_headers({"content-type": "a/b", "ceremony": "x"}) == {}


@MODES
def test_the_cloudevents_library_reads_ours(mode: CloudEventsMode) -> None:
    """Kafka's binding finds the same attributes and data in either mode."""
    event = kafka.from_kafka_event(as_kafka(mode.wrap(MESSAGE)))

    attributes = event.get_attributes()
    assert attributes.pop("time") == datetime.fromtimestamp(MESSAGE.timestamp, UTC)
    assert attributes == {k: v for k, v in ATTRIBUTES.items() if k != "time"}
    assert event.get_data() == {"a": 1.0, "b": "ž"}


@pytest.mark.parametrize("writer", [kafka.to_binary_event, kafka.to_structured_event])
@pytest.mark.parametrize("data", [{"a": [1, None]}, 5, None], ids=repr)
def test_we_read_the_cloudevents_librarys(writer: Any, data: Any) -> None:
    """What it writes reaches a handler as data and headers, whichever mode we write."""
    event = CloudEvent(
        {"type": "t", "source": "/s", "id": "1", "datacontenttype": "application/json"}, data
    )
    theirs = writer(event)
    headers = {name: value.decode() for name, value in theirs.headers.items()}
    message = Message("news", theirs.value, "0-1", 0.0, headers=headers)

    unwrapped = BINARY.unwrap(message)

    assert from_headers(unwrapped.headers)["type"] == "t"
    assert from_headers(unwrapped.headers)["source"] == "/s"
    if theirs.value:
        assert reader(JsonCodec(), Any)(unwrapped) == data
    else:
        assert data is None


@MODES
def test_round_trip_changes_neither_data_nor_headers(mode: CloudEventsMode) -> None:
    """The body comes back byte for byte, the user's headers with the attributes beside them."""
    wrapped = mode.wrap(MESSAGE)

    back = mode.unwrap(wrapped)

    assert back.body == MESSAGE.body
    assert back.content_type == "application/json"
    assert back.headers["plain"] == "kept"
    assert from_headers(back.headers) == ATTRIBUTES
    assert MESSAGE.headers["ce_subject"] == "žluť"
    assert "content-type" not in MESSAGE.headers


@MODES
@given(
    body=st.binary(max_size=50),
    key=st.none() | st.text(st.characters(codec="utf-8")),
    subject=st.text(st.characters(codec="utf-8")),
)
def test_any_bytes_come_back(
    mode: CloudEventsMode, body: bytes, key: str | None, subject: str
) -> None:
    """Bodies that are no JSON travel as bytes or base64."""
    message = Message(
        "t",
        body,
        "i",
        0.0,
        key=key,
        content_type="application/octet-stream",
        headers={"ce_subject": subject},
    )

    back = mode.unwrap(mode.wrap(message))

    assert (back.body, back.content_type) == (body, "application/octet-stream")
    assert back.headers["ce_subject"] == subject
    assert back.headers.get("ce_partitionkey") == key


def test_plain_messages_stay_plain() -> None:
    """A message that is no event passes through as it is."""
    message = Message("news", b"1", "x", 0.0, headers={"h": "v"})

    assert STRUCTURED.unwrap(message) is message


def test_foreign_content_type_header_counts() -> None:
    """A foreign client's header says what the body is, and the codec judges it."""
    message = Message("news", b"x", "x", 0.0, headers={"content-type": "application/x-yaml"})
    envelope = Envelope(cloudevents=BINARY)

    with pytest.raises(UntrustedContent):
        reader(JsonCodec(), Any, envelope=envelope)(message)


@MODES
def test_seal_is_around_the_event(mode: CloudEventsMode) -> None:
    """Publishing wraps, then seals; consuming opens, then unwraps."""
    envelope = Envelope(seal=HmacSeal(Keyring({"k": b"k" * 32})), cloudevents=mode)
    wrapped = envelope.wrap(MESSAGE)

    assert reader(JsonCodec(), Any, envelope=envelope)(wrapped) == {"a": 1.0, "b": "ž"}


def test_header_that_nobody_signed_changes_no_content_type() -> None:
    """On sealed messages the content type that was sealed counts, not the loose header."""
    envelope = Envelope(seal=HmacSeal(Keyring({"k": b"k" * 32})), cloudevents=BINARY)
    wrapped = envelope.wrap(MESSAGE)
    forged = replace(wrapped, headers={**wrapped.headers, "content-type": CLOUDEVENT_TYPE})

    assert envelope.unwrap(forged).content_type == "application/json"
    assert reader(RawCodec(), bytes, envelope=envelope)(forged) == MESSAGE.body


def test_a_wrong_mode_stops_the_start() -> None:
    """Mode and source are checked when they are configured."""
    with pytest.raises(ConfigError, match="'binary' or 'structured', not 'batch'"):
        CloudEventsMode("batch", source="/s")  # type: ignore[arg-type] - the mistake under test
    with pytest.raises(ConfigError, match="needs a source"):
        CloudEventsMode("binary", source="")


def test_functions_stand_alone() -> None:
    """Headers and bodies can be made without a mode."""
    assert to_binary(MESSAGE, "/news")["ce_partitionkey"] == "vendor-2"
    assert from_structured(to_structured(MESSAGE, "/news")) == (ATTRIBUTES, MESSAGE.body)
