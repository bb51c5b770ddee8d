"""JSON as it stands on the wire, and back."""

from __future__ import annotations

import enum
import ipaddress
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import PosixPath
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, field_serializer

from anymq.codecs import JsonCodec, StdlibJsonCodec
from anymq.errors import PublishRejected

CODECS = [JsonCodec(), StdlibJsonCodec()]
both = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)


class Colour(enum.Enum):
    RED = "red"


@dataclass(slots=True)
class Address:
    street: str
    zip: str | None = None


class Point(msgspec.Struct):
    x: int
    y: int


class Person(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    full_name: str = Field(alias="fullName")
    born: date | None = None


class Measured(BaseModel):
    value: float
    note: str | None = None
    extra: Any = None


@dataclass
class Mixed:
    person: Person
    where: Address
    host: ipaddress.IPv6Address


class Whole(int):
    pass


WIRE = [
    (None, b"null"),
    (True, b"true"),
    (12, b"12"),
    (2**70, b"1180591620717411303424"),
    (1.5, b"1.5"),
    ("žluťoučký \U0001f600", '"žluťoučký \U0001f600"'.encode()),
    ([1, "a", None], b'[1,"a",null]'),
    ({"b": 1, "a": {"c": []}}, b'{"b":1,"a":{"c":[]}}'),
    ((1, 2), b"[1,2]"),
    ({3: "x"}, b'{"3":"x"}'),
    (datetime(2026, 11, 24, 5, 6, 7, tzinfo=UTC), b'"2026-11-24T05:06:07Z"'),
    (datetime(2026, 11, 24, 5, 6, 7), b'"2026-11-24T05:06:07"'),  # noqa: DTZ001 - naive on purpose
    (date(2022, 3, 16), b'"2022-03-16"'),
    (timedelta(seconds=90), b'"PT90S"'),
    (Decimal("1.50"), b'"1.50"'),
    (UUID(int=7), b'"00000000-0000-0000-0000-000000000007"'),
    (Colour.RED, b'"red"'),
    ({"raw": b"\xff\x00"}, b'{"raw":"/wA="}'),
    (Address("Main"), b'{"street":"Main","zip":null}'),
    (Point(1, 2), b'{"x":1,"y":2}'),
    (Person(fullName="A"), b'{"fullName":"A","born":null}'),
    (PosixPath("/a/b"), b'"/a/b"'),
    (Whole(3), b"3"),
    (
        Mixed(Person(fullName="A"), Address("B", "1"), ipaddress.IPv6Address("::1")),
        b'{"person":{"fullName":"A","born":null},"where":{"street":"B","zip":"1"},"host":"::1"}',
    ),
]

SELF_DESCRIBED = [item for item, _ in WIRE if not isinstance(item, dict | list | tuple | Whole)]
"""Those whose type says what is inside."""


@both
@pytest.mark.parametrize(("value", "body"), WIRE, ids=lambda item: type(item).__name__)
def test_value_has_this_form_on_the_wire(codec: JsonCodec, value: Any, body: bytes) -> None:
    """Compact UTF-8 that any JSON parser reads, and both codecs write alike."""
    assert codec.encode(value) == body
    json.loads(body)


@both
@pytest.mark.parametrize("value", SELF_DESCRIBED, ids=lambda item: type(item).__name__)
def test_value_comes_back_as_its_type(codec: JsonCodec, value: Any) -> None:
    """A handler that declares the type of what was published gets its equal."""
    assert codec.decoder(type(value))(codec.encode(value)) == value


@both
@pytest.mark.parametrize("value", [b"not json", bytearray(b"{}"), memoryview(b"{}"), b""])
def test_bytes_are_taken_to_be_encoded_already(codec: JsonCodec, value: Any) -> None:
    """Bytes as the whole body are sent as they are, and reach a handler of bytes likewise."""
    body = codec.encode(value)

    assert body == bytes(value)
    assert type(body) is bytes
    assert codec.decoder(bytes)(body) == bytes(value)


NOT_IN_JSON = [
    float("nan"),
    float("inf"),
    [None, {"deep": [-float("inf")]}],
    [10**30, None, float("nan")],
    {"model": Measured(value=float("nan"))},
    Measured(value=1.0, extra=[float("inf")]),
    "lone \ud800 surrogate",
    {"\udfff": 1},
    {(1, 2): 3},
    object(),
    {"nested": [lambda: None]},
]


@both
@pytest.mark.parametrize("value", NOT_IN_JSON, ids=lambda value: type(value).__name__)
def test_what_json_has_not_is_rejected_at_publish(codec: JsonCodec, value: Any) -> None:
    """The error is typed, names types, and hangs on to nothing of the value."""
    with pytest.raises(PublishRejected, match=f"type {type(value).__name__} ") as rejected:
        codec.encode(value)

    assert rejected.value.code == "invalid"
    assert rejected.value.__cause__ is None
    assert rejected.value.__context__ is None


class Handle:
    pass


class Wrapped(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    handle: Handle
    none: None = None

    @field_serializer("handle", when_used="json")
    def name(self, handle: Handle) -> str:
        return type(handle).__name__


@both
def test_serializers_for_json_alone_are_used(codec: JsonCodec) -> None:
    """A model may know how to write in JSON what nothing else knows."""
    assert codec.encode(Wrapped(handle=Handle())) == b'{"handle":"Handle","none":null}'


@both
def test_rejection_names_the_type(codec: JsonCodec) -> None:
    """Of the part that does not fit, the type is told and nothing else."""
    with pytest.raises(PublishRejected, match="it holds a object, which"):
        codec.encode({"CANARY": object()})
    with pytest.raises(PublishRejected, match="a key of a type"):
        codec.encode({("CANARY",): 1})


@both
def test_value_that_contains_itself_is_rejected(codec: JsonCodec) -> None:
    """A cycle ends in a typed error, not in RecursionError."""
    value: list[Any] = []
    value.append(value)

    with pytest.raises(PublishRejected, match="contains itself"):
        codec.encode(value)


@both
def test_null_beside_finite_numbers_is_no_suspicion(codec: JsonCodec) -> None:
    """The search for NaN lets bodies pass that merely look alike when packed."""
    value = {
        "none": None,
        "text": "null \xff\xff",
        "huge": 1.7e308,
        "long": 2**100,
        "b": b"\xcb\x7f",
    }

    assert json.loads(codec.encode(value))["huge"] == 1.7e308


def test_look_alike_of_nan_is_searched_and_passes() -> None:
    """Bytes with the pattern of a packed NaN cost a second look and no rejection."""
    value = {"none": None, "raw": b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"}

    assert JsonCodec().encode(value).startswith(b'{"none":null,"raw":"y3/4')


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=30,
)


@given(value=JSON_VALUES)
def test_every_json_value_comes_back(value: Any) -> None:
    """Each codec reads what either wrote, and so does the standard library."""
    for writer in CODECS:
        body = writer.encode(value)
        assert json.loads(body) == value
        for reader in CODECS:
            assert reader.decoder(Any)(body) == value


@given(
    moment=st.datetimes(timezones=st.just(UTC)),
    amount=st.decimals(allow_nan=False, allow_infinity=False),
    key=st.uuids(),
    span=st.timedeltas(timedelta(days=-9999), timedelta(days=9999)),
)
def test_typed_values_come_back(moment: datetime, amount: Decimal, key: UUID, span: Any) -> None:
    """Times, decimals, ids and durations survive to the last digit."""
    for codec in CODECS:
        for value in (moment, amount, key, span):
            assert codec.decoder(type(value))(codec.encode(value)) == value


@given(name=st.text(st.characters(exclude_categories=["Cs"])), born=st.none() | st.dates())
def test_models_come_back_by_alias(name: str, born: date | None) -> None:
    """A pydantic model is written under the names by which it is validated."""
    person = Person(full_name=name, born=born)

    for codec in CODECS:
        assert codec.decoder(Person)(codec.encode(person)) == person
        assert codec.decoder(list[Person])(codec.encode([person])) == [person]
