"""Bodies that no publisher of ours would send: each is refused, fast, with a typed error."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from anymq.codecs import Codec, Decoder, JsonCodec, MsgpackCodec, StdlibJsonCodec
from anymq.errors import DecodeError


class Item(BaseModel):
    a: int = 0
    f: float = 0.0
    text: str = ""
    more: Any = None


ANNOTATIONS = [Any, dict[str, Any], Item, list[Item]]
JSON_CODECS = [JsonCodec(), StdlibJsonCodec()]
CODECS = [*JSON_CODECS, MsgpackCodec()]

NOT_JSON = {
    "empty": b"",
    "nul": b"\x00",
    "random": bytes(range(255, 100, -3)),
    "truncated": b'{"a": 1',
    "trailing": b'{"a": 1} 2',
    "deep arrays": b"[" * 10_000 + b"]" * 10_000,
    "deep objects": b'{"more":' * 10_000 + b"1" + b"}" * 10_000,
    "deep and unclosed": b"[" * 1_000_000,
    "million digits": b'{"more": ' + b"9" * 1_000_000 + b"}",
    "NaN": b'{"f": NaN}',
    "Infinity": b'{"f": Infinity}',
    "-Infinity": b'[{"f": -Infinity}]',
    "lone surrogate": b'{"text": "\\ud800"}',
    "lone surrogate amid text": b'{"text": "x\\uDFFFyz"}',
    "surrogate in UTF-8": b'{"text": "\xed\xa0\x80"}',
    "not UTF-8": b'{"text": "\xff"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "control character": b'{"text": "a\nb"}',
    "comment": b"{} // no",
    "single quotes": b"{'a': 1}",
}


def refused(codec: Codec, annotation: Any, body: bytes) -> DecodeError:
    """Decode what must not decode; return the error after checking that it carries nothing."""
    decode = codec.decoder(annotation)

    with pytest.raises(DecodeError) as caught:
        decode(body)

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=str)
@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
@pytest.mark.parametrize("codec", JSON_CODECS, ids=lambda codec: codec.name)
def test_what_is_no_json_is_a_decode_error(codec: Codec, body: bytes, annotation: Any) -> None:
    """Neither RecursionError, UnicodeError nor ValueError escapes, whoever reads."""
    error = refused(codec, annotation, body)

    assert error.code == "decode"
    assert len(str(error)) < 400


@pytest.mark.parametrize("annotation", [dict[str, Any], Item], ids=str)
@pytest.mark.parametrize("body", [b"1", b'"text"', b"null", b"[]", b"true"], ids=repr)
@pytest.mark.parametrize("codec", JSON_CODECS, ids=lambda codec: codec.name)
def test_json_of_another_shape_is_a_decode_error(
    codec: Codec, body: bytes, annotation: Any
) -> None:
    """Valid JSON that is no object is refused where an object is declared."""
    refused(codec, annotation, body)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1", b"\x92\x01", b"\x91" * 100_000, b"\xc7\x01\x05\x00", b"\xa1\xff", b"\1\1"],
)
@pytest.mark.parametrize("annotation", [Any, Item], ids=str)
def test_what_is_no_messagepack_is_a_decode_error(body: bytes, annotation: Any) -> None:
    """Empty, reserved, truncated, bottomless, extended, not UTF-8, trailing: all refused."""
    refused(MsgpackCodec(), annotation, body)


@pytest.mark.exclusive
def test_no_bad_body_holds_the_loop() -> None:
    """Each is refused within 50 ms, a body of a million brackets or digits included."""
    decoders = [codec.decoder(annotation) for codec in JSON_CODECS for annotation in ANNOTATIONS]

    def refusal_s(decode: Decoder, body: bytes) -> float:
        started = time.perf_counter()
        with pytest.raises(DecodeError):
            decode(body)
        return time.perf_counter() - started

    for name, body in NOT_JSON.items():
        for decode in decoders:
            refusal_s(decode, body)  # the first error of a kind imports what words it
            assert refusal_s(decode, body) < 0.05, name


@given(body=st.binary(max_size=200))
def test_random_bytes_decode_or_are_refused(body: bytes) -> None:
    """There is no third way out of any decoder."""
    for codec in CODECS:
        for annotation in ANNOTATIONS:
            try:
                codec.decoder(annotation)(body)
            except DecodeError:
                continue


def test_number_beyond_a_float_is_refused() -> None:
    """1e999 is no infinity to the default codec, and to the strict one not even for a model."""
    for codec in JSON_CODECS:
        refused(codec, Any, b"1e999")

    refused(StdlibJsonCodec(), Item, b'{"f": 1e999}')


def test_of_equal_keys_the_last_counts() -> None:
    """The default codec takes duplicate keys, whichever library reads."""
    codec = JsonCodec()

    assert codec.decoder(Any)(b'{"a": 1, "a": 2}') == {"a": 2}
    assert codec.decoder(Item)(b'{"a": 1, "a": 2}').a == 2


@pytest.mark.parametrize("annotation", ANNOTATIONS[:3], ids=str)
def test_strict_codec_refuses_equal_keys(annotation: Any) -> None:
    """Two parsers that choose differently are an attack; the strict codec allows no choice."""
    refused(StdlibJsonCodec(), annotation, b'{"a": 1, "a": 2}')


@pytest.mark.parametrize("codec", JSON_CODECS, ids=lambda codec: codec.name)
def test_surrogate_pairs_are_text(codec: Codec) -> None:
    """Only lone surrogates are refused."""
    assert codec.decoder(Any)(b'"\\ud83d\\ude00"') == "\U0001f600"
