"""Which messages a codec reads at all, before it looks at their bodies."""

from __future__ import annotations

from typing import Any

import pytest

from anymq.codecs import (
    Codec,
    JsonCodec,
    MsgpackCodec,
    RawCodec,
    StdlibJsonCodec,
    UntrustedContent,
    body_reader,
    media_type,
)
from anymq.errors import ConfigError, DecodeError, PublishRejected
from anymq.message import Message


def message(content_type: str, body: bytes = b"1") -> Message:
    return Message("news", body, "id-1", 0.0, content_type=content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-python-serialize",
        "application/x-yaml",
        "application/octet-stream",
        "text/plain",
        "application/jsonp",
        "application/cloudevents+json",
        "application/cloudevents-batch+json; charset=utf-8",
        "",
        "json",
        "\x00" * 500,
    ],
)
@pytest.mark.parametrize("codec", [JsonCodec(), StdlibJsonCodec(), MsgpackCodec()])
def test_foreign_content_is_untrusted(codec: Codec, content_type: str) -> None:
    """What the codec does not read is refused unread, even for a handler of bytes."""
    for annotation in (Any, bytes):
        with pytest.raises(UntrustedContent, match="untrusted content type") as caught:
            body_reader(codec, annotation)(message(content_type))

        assert isinstance(caught.value, DecodeError)
        assert caught.value.code == "untrusted_content"
        assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("codec", "content_type", "body"),
    [
        (JsonCodec(), "application/json", b"1"),
        (JsonCodec(), "Application/JSON; charset=utf-8", b"1"),
        (JsonCodec(), "text/json", b"1"),
        (JsonCodec(), "application/vnd.news.v1+json", b"1"),
        (StdlibJsonCodec(), "application/vnd.news.v1+json", b"1"),
        (MsgpackCodec(), "application/msgpack", b"\x01"),
        (MsgpackCodec(), "application/x-msgpack", b"\x01"),
    ],
)
def test_relatives_of_the_content_type_are_read(
    codec: Codec, content_type: str, body: bytes
) -> None:
    """Parameters, case and the suffix ``+json`` make no difference."""
    assert body_reader(codec, int)(message(content_type, body)) == 1


def test_hint_at_cloudevents() -> None:
    """The error tells what to configure for an event."""
    with pytest.raises(UntrustedContent, match="configure cloudevents"):
        body_reader(JsonCodec(), Any)(message("application/cloudevents+json"))


def test_headerless_message_is_json() -> None:
    """A foreign client that says nothing is read as JSON."""
    assert body_reader(JsonCodec(), Any)(Message("news", b'{"a":1}', "0-1", 0.0)) == {"a": 1}


def test_media_type_is_bare() -> None:
    """Parameters and space go, letters become small."""
    assert media_type(" Text/JSON ; charset=latin-1") == "text/json"


@pytest.mark.parametrize("annotation", [bytes, Any, object])
def test_raw_codec_changes_nothing(annotation: Any) -> None:
    """Bytes in, the same bytes out, under any content type."""
    codec = RawCodec()
    body = codec.encode(bytearray(b"\x00\xff"))

    assert body == b"\x00\xff"
    assert body_reader(codec, annotation)(message("image/png", body)) == b"\x00\xff"


def test_raw_codec_sends_nothing_but_bytes() -> None:
    """A value that is not bytes is rejected at publish, a typed handler at start."""
    with pytest.raises(PublishRejected, match="a value of type dict") as rejected:
        RawCodec().encode({"a": "CANARY"})
    with pytest.raises(ConfigError, match="yields bytes"):
        RawCodec().decoder(dict[str, Any])

    assert rejected.value.code == "invalid"
    assert "CANARY" not in str(rejected.value)
