"""MessagePack: what differs from JSON."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from anymq.codecs import MsgpackCodec
from anymq.errors import PublishRejected

CODEC = MsgpackCodec()

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.binary()
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=30,
)


@given(value=VALUES)
def test_every_value_comes_back(value: Any) -> None:
    """Bytes stay bytes inside a value; as a whole they count as encoded already."""
    if isinstance(value, bytes):
        assert CODEC.encode(value) == value
    else:
        assert CODEC.decoder(Any)(CODEC.encode(value)) == value


class Blob(BaseModel):
    data: bytes
    when: datetime


@given(data=st.binary(), when=st.datetimes(timezones=st.just(UTC)))
def test_models_keep_bytes_and_times(data: bytes, when: datetime) -> None:
    """What JSON would have to spell out travels as it is."""
    blob = Blob(data=data, when=when)

    assert CODEC.decoder(Blob)(CODEC.encode(blob)) == blob


def test_nan_is_a_value_here() -> None:
    """The format has NaN and infinities."""
    assert math.isnan(CODEC.decoder(float)(CODEC.encode(float("nan"))))


@pytest.mark.parametrize(
    "value", [2**64, [object()], "\ud800"], ids=["long", "object", "surrogate"]
)
def test_what_it_has_not_is_rejected(value: Any) -> None:
    """A typed error that holds nothing of the value."""
    with pytest.raises(PublishRejected, match="as MessagePack") as rejected:
        CODEC.encode(value)

    assert rejected.value.code == "invalid"
    assert rejected.value.__context__ is None


def test_bytes_as_a_whole_are_encoded_already() -> None:
    """As in the other codecs, they pass, and reach a handler of bytes likewise."""
    assert CODEC.encode(bytearray(b"\x01\x02")) == b"\x01\x02"
    assert CODEC.decoder(bytes)(b"\x01\x02") == b"\x01\x02"
