"""Structured CloudEvents as bodies: what is written, and what is read from foreign hands."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from anymq.cloudevents import CLOUDEVENT_TYPE, CloudEventsMode, from_structured
from anymq.errors import DecodeError, PublishRejected
from anymq.message import Message

MESSAGE = Message(
    "newstopic",
    b'{"a": 1.0, "b":"\\u017e"}',
    "0192-id",
    1_700_000_000.25,
    headers={"ce_type": "com.example.hired"},
)
BINARY = CloudEventsMode("binary", source="/news")
STRUCTURED = CloudEventsMode("structured", source="/news")


def test_structured_event_is_one_json_body() -> None:
    """Attributes and data side by side, the data's own bytes untouched."""
    wrapped = STRUCTURED.wrap(MESSAGE)

    assert wrapped.content_type == CLOUDEVENT_TYPE
    assert wrapped.headers["content-type"] == CLOUDEVENT_TYPE
    assert wrapped.body.endswith(b'"data":{"a": 1.0, "b":"\\u017e"}}')
    assert json.loads(wrapped.body)["type"] == "com.example.hired"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 5000, b"1 2"])
def test_body_that_is_no_json_is_no_structured_event(body: bytes) -> None:
    """It would break the envelope, so publishing refuses it."""
    with pytest.raises(PublishRejected, match="no JSON") as rejected:
        STRUCTURED.wrap(replace(MESSAGE, body=body))

    assert rejected.value.code == "invalid"


HEAD = '{"specversion":"1.0","id":"1","source":"/s","type":"t"'


@pytest.mark.parametrize(
    ("rest", "content_type", "body"),
    [
        (',"data":{"a": 1}', "application/json", b'{"a": 1}'),
        (',"data":null', "application/json", b"null"),
        ("", "application/json", b"null"),
        (',"datacontenttype":"text/plain"', "text/plain", b""),
        (',"datacontenttype":"text/plain","data":"\\u017e"', "text/plain", "ž".encode()),
        (',"datacontenttype":"text/plain","data":[1]', "text/plain", b"[1]"),
        (',"datacontenttype":"a/b+json","data":"x"', "a/b+json", b'"x"'),
        (',"data_base64":"/wA="', "application/json", b"\xff\x00"),
    ],
)
def test_data_is_read_in_every_form(rest: str, content_type: str, body: bytes) -> None:
    """JSON, text, base64 or none at all."""
    message = Message("news", (HEAD + rest + "}").encode(), "x", 0.0, content_type=CLOUDEVENT_TYPE)

    unwrapped = STRUCTURED.unwrap(message)

    assert (unwrapped.content_type, unwrapped.body) == (content_type, body)


def test_attributes_that_are_no_strings() -> None:
    """Numbers and booleans come as text, null as absent."""
    attributes, _ = from_structured((HEAD + ',"n":5,"b":true,"no":null}').encode())

    assert attributes == {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": "t",
        "n": "5",
        "b": "true",
    }


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"specversion":"0.3","id":"1","source":"/s","type":"t"}',
        '{"specversion":"1.0","id":"","source":"/s","type":"t"}',
        HEAD + ',"data_base64":"CANARY!"}',
        HEAD + ',"extension":{"CANARY":1}}',
        HEAD + ',"data":' + "[" * 5000,
        HEAD + ',"datacontenttype":"a/b","data":"\\ud800"}',
    ],
)
def test_what_is_no_event_is_a_decode_error(body: str) -> None:
    """It says that it is a CloudEvent, and is none: nothing of it is repeated."""
    message = Message("news", body.encode(), "x", 0.0, content_type=CLOUDEVENT_TYPE)

    with pytest.raises(DecodeError, match="structured CloudEvent") as caught:
        BINARY.unwrap(message)

    assert "CANARY" not in str(caught.value)
    assert caught.value.__context__ is None
