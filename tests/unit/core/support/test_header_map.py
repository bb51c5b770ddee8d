"""Metadata as flat headers, and back."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymq.message import Message
from anymq.support.header_map import PREFIX, TRACE_HEADERS, from_headers, to_headers

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MOMENTS = st.floats(min_value=0.001, max_value=4e9, allow_nan=False)
USER_NAMES = TEXT.filter(
    lambda name: name and not name.startswith(PREFIX) and name not in TRACE_HEADERS
)
META_NAMES = st.sampled_from(["traceparent", "tracestate", "anymq-death-reason", "anymq-hop"])
MESSAGES = st.builds(
    Message,
    topic=st.just("t"),
    body=st.binary(max_size=20),
    id=TEXT.filter(bool),
    timestamp=MOMENTS,
    content_type=TEXT.filter(bool),
    headers=st.dictionaries(USER_NAMES, TEXT, max_size=4),
    key=st.none() | TEXT,
    partition=st.integers(0, 10_000),
    group=st.none() | TEXT,
    expires_at=st.none() | MOMENTS,
    priority=st.sampled_from([0, 1, 2]),
    attempt=st.integers(1, 10_000),
    correlation_id=st.none() | TEXT,
    causation_id=st.none() | TEXT,
    reply_to=st.none() | TEXT,
    meta=st.dictionaries(META_NAMES, TEXT, max_size=3),
)


def _read(headers: dict[str, str], **fields: Any) -> Message:
    given_fields: dict[str, Any] = {"topic": "t", "body": b"", **fields}
    return from_headers(headers, fallback_id="stored-7", fallback_time=12.5, **given_fields)


@given(MESSAGES)
def test_a_message_comes_back_as_it_went(message: Message) -> None:
    """Every field survives the way over headers."""
    back = _read(to_headers(message), body=message.body)

    names = Message.__slots__
    assert {name: getattr(back, name) for name in names} == {
        name: getattr(message, name) for name in names
    }


@given(
    st.dictionaries(
        TEXT
        | st.sampled_from(
            [
                "anymq-id",
                "anymq-attempt",
                "anymq-priority",
                "anymq-partition",
                "anymq-timestamp",
                "anymq-expires-at",
                "anymq-key",
            ]
        ),
        TEXT | st.sampled_from(["nan", "inf", "-inf", "1e300", "-3", "7", "", "x"]),
    )
)
def test_headers_of_strangers_are_always_read(headers: dict[str, str]) -> None:
    """Whatever a foreign client wrote, a message comes out with fields that core can rely on."""
    message = _read(headers)

    assert message.id
    assert message.priority in (0, 1, 2)
    assert message.attempt >= 1
    assert message.partition >= 0
    assert math.isfinite(message.timestamp)
    assert message.expires_at is None or math.isfinite(message.expires_at)


def test_a_message_without_headers_is_a_strangers() -> None:
    """Its id and time are what the backend knows of it; the rest is the default."""
    message = _read({})

    assert (message.id, message.timestamp) == ("stored-7", 12.5)
    assert message.content_type == "application/json"
    assert (message.key, message.attempt, message.priority) == (None, 1, 1)


def test_defaults_are_not_written() -> None:
    """A plain message carries its id, its time and its content type, and nothing else."""
    headers = to_headers(Message("t", b"{}", "m1", 1.5))

    assert headers == {
        "anymq-id": "m1",
        "anymq-timestamp": "1.5",
        "anymq-content-type": "application/json",
    }


def test_users_headers_are_told_from_ours() -> None:
    """Ours and the trace go to meta, the user's to headers."""
    message = _read({"Color": "red", "traceparent": "00-x", "anymq-hop": "2"})

    assert message.headers == {"Color": "red"}
    assert message.meta == {"traceparent": "00-x", "anymq-hop": "2"}


def test_the_address_is_what_the_backend_says() -> None:
    """Lane and due moment do not travel in headers: where it stands tells them."""
    message = _read({}, lane="retry", due_at=99.0)

    assert (message.lane, message.due_at) == ("retry", 99.0)


@pytest.mark.parametrize("name", ["anymq-expires-at", "anymq-timestamp", "anymq-attempt"])
def test_an_unreadable_number_is_its_default(name: str) -> None:
    """What is no number counts as missing."""
    message = _read({name: "soon"})

    assert (message.expires_at, message.timestamp, message.attempt) == (None, 12.5, 1)
