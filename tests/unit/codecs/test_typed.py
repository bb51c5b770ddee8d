"""Decoders for what handlers declare: the right library reads, and says well what is wrong."""

from __future__ import annotations

import enum
import inspect
import subprocess
import sys
from collections import deque
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar

import msgspec
import pytest
from annotated_types import Gt
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, field_validator
from pydantic.dataclasses import dataclass as pydantic_dataclass

import anymq
from anymq.codecs import Codec, JsonCodec, MsgpackCodec, StdlibJsonCodec
from anymq.codecs.annotations import survey
from anymq.errors import ConfigError, DecodeError

CODECS = [JsonCodec(), StdlibJsonCodec(), MsgpackCodec()]
everyone = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
T = TypeVar("T")


class Level(enum.IntEnum):
    LOW = 1


@dataclass
class Leaf:
    when: date
    level: Level = Level.LOW


@dataclass
class Tree:
    leaf: Leaf
    more: list[Tree] = field(default_factory=list)


class Row(NamedTuple):
    n: int
    text: str


class Options(TypedDict, total=False):
    colour: Literal["red", "green"]


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    n: Annotated[int, msgspec.Meta(ge=0)]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")

    n: int = Field(gt=0)
    leaf: Leaf | None = None


class Cat(msgspec.Struct, tag=True):
    lives: int


class Dog(msgspec.Struct, tag=True):
    name: str


class Half(msgspec.Struct):
    model: Model
    path: Path


@pydantic_dataclass
class Checked:
    n: Annotated[int, Field(gt=0)]


@dataclass
class Box(Generic[T]):
    item: T


@dataclass
class A:
    a: int


@dataclass
class B:
    b: int


UserId = NewType("UserId", int)
TREE = Tree(Leaf(date(2026, 1, 2)), [Tree(Leaf(date(2026, 1, 3)))])

ROUND_TRIPS: list[tuple[Any, Any]] = [
    (int, 3),
    (UserId, 3),
    (int | None, None),
    (Tree, TREE),
    (list[Tree], [TREE]),
    (dict[str, Leaf], {"x": Leaf(date(2026, 1, 2))}),
    (Row, Row(1, "a")),
    (Options, {"colour": "red"}),
    (Strict, Strict(1)),
    (Cat | Dog, Dog("rex")),
    (Model, Model(n=1, leaf=Leaf(date(2026, 1, 2)))),
    (list[Model | None], [Model(n=1), None]),
    (Half, Half(Model(n=2), Path("/x"))),
    (Checked, Checked(1)),
    (A | B, B(2)),
    (Box[int], Box(1)),
    (Box[Model], Box(Model(n=1))),
    (deque[int], deque([1, 2])),
    (tuple[int, ...], (1, 2)),
    (set[str], {"a"}),
    (list[object], [1, "a", None]),
    (Annotated[int, Gt(0)], 1),
    (AnyUrl, AnyUrl("https://example.com/a")),
    (Annotated[datetime, "a note"], datetime(2026, 1, 1)),  # noqa: DTZ001 - naive on purpose
]


@everyone
@pytest.mark.parametrize(("annotation", "value"), ROUND_TRIPS, ids=str)
def test_declared_types_come_back(codec: Codec, annotation: Any, value: Any) -> None:
    """Whichever library has to read, the handler gets the equal of what was published."""
    assert codec.decoder(annotation)(codec.encode(value)) == value


@everyone
@pytest.mark.parametrize("annotation", [Any, object, inspect.Parameter.empty, Annotated[Any, 1]])
def test_without_a_type_plain_objects_come(codec: Codec, annotation: Any) -> None:
    """No annotation means whatever the format yields."""
    assert codec.decoder(annotation)(codec.encode({"a": [1, None]})) == {"a": [1, None]}


@everyone
@pytest.mark.parametrize("annotation", [bytes, Annotated[bytes, "raw"]])
def test_bytes_are_the_body_itself(codec: Codec, annotation: Any) -> None:
    """A handler of bytes gets them undecoded, whatever they are."""
    assert codec.decoder(annotation)(b"\xff{") == b"\xff{"


WRONG: list[tuple[Any, Any, str]] = [
    (int, "5", "Expected `int`, got `str`"),
    (Tree, {"leaf": {"when": "CANARY"}}, r"at \$\.leaf\.when"),
    (Tree, {"leaf": {}}, r"missing required field `when` at \$\.leaf"),
    (Leaf, {"when": "2026-01-02", "level": 9}, r"not one of those declared at \$\.level"),
    (Options, {"colour": "CANARY"}, r"not one of those declared at \$\.colour"),
    (Strict, {"n": -1}, r"Expected `int` >= 0 at \$\.n"),
    (Strict, {"n": 1, "CANARY": 1}, "contains an unknown field"),
    (Cat | Dog, {"type": "CANARY"}, r"not one of those declared at \$\.type"),
    (Model, {"n": 0}, r"greater than 0 at \$\.n"),
    (Model, {"n": "CANARY"}, r"int_parsing at \$\.n|valid integer.* at \$\.n"),
    (Model, {"n": 1, "CANARY": 2}, r"not permitted at \$\[\.\.\.\]"),
    (Model, {"leaf": {}}, r"Field required at \$\.n; Field required at \$\.leaf\.when"),
    (list[Model], [{}, {}, {}, {}, {}], r"at \$\[0\]\.n; .*at \$\[2\]\.n; and 2 more"),
    (dict[str, Model], {"CANARY": {}}, r"Field required at \$\[\.\.\.\]\.n"),
    (Half, {"model": {"n": 0}, "path": "/"}, r"greater than 0 at \$\.n at \$\.model"),
    (Annotated[int, Gt(0)], 0, "greater than 0"),
    (Checked, {"n": 0}, "greater than 0"),
    (A | B, {"c": 1}, r"Field required at \$\.A\.a"),
]


@everyone
@pytest.mark.parametrize(("annotation", "value", "words"), WRONG, ids=str)
def test_error_says_what_and_where(codec: Codec, annotation: Any, value: Any, words: str) -> None:
    """The text names the declared type and the place, and repeats neither value nor key."""
    decode = codec.decoder(annotation)

    with pytest.raises(DecodeError, match=words) as caught:
        decode(codec.encode(value))

    assert "CANARY" not in repr(caught.value)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


class Talkative(BaseModel):
    n: Any

    @field_validator("n")
    @classmethod
    def check(cls, value: Any) -> Any:
        if value == "key":
            raise KeyError("CANARY")
        raise ValueError(f"I do not like {value}")


@dataclass
class TalkativePlain:
    n: Any

    def __post_init__(self) -> None:
        raise ValueError(f"I do not like {self.n}")


@everyone
@pytest.mark.parametrize("annotation", [Talkative, TalkativePlain])
@pytest.mark.parametrize("value", ["key", "CANARY"])
def test_checks_of_the_type_may_say_anything(codec: Codec, annotation: Any, value: str) -> None:
    """Whatever a validator raises is a decode error, and its words are not repeated."""
    with pytest.raises(DecodeError) as caught:
        codec.decoder(annotation)(codec.encode({"n": value}))

    assert "CANARY" not in str(caught.value)
    assert "like" not in str(caught.value)


def test_out_of_memory_is_not_the_bodys_fault() -> None:
    """MemoryError passes: the message is to be tried again, not set aside."""

    @dataclass
    class Hungry:
        n: int

        def __post_init__(self) -> None:
            raise MemoryError

    with pytest.raises(MemoryError):
        JsonCodec().decoder(Hungry)(b'{"n": 1}')


class Unknown:
    pass


class Unreadable(msgspec.Struct):
    either: A | B


class Dangling(BaseModel):
    item: "Missing"  # type: ignore[name-defined]  # noqa: F821, UP037 - the point of the test


@dataclass
class DanglingPlain:
    item: Missing  # type: ignore[name-defined]  # noqa: F821 - the point of the test


@everyone
@pytest.mark.parametrize(
    "annotation",
    [Unknown, list[Unknown], Box[Unknown], Unreadable, Dangling, DanglingPlain, 5, Half | Cat | A],
    ids=str,
)
def test_what_nobody_can_read_stops_the_start(codec: Codec, annotation: Any) -> None:
    """An impossible annotation is an error when the decoder is made, not at the first message."""
    with pytest.raises(ConfigError, match="no decoder can be made for") as caught:
        codec.decoder(annotation)

    assert "\n" not in str(caught.value)


def test_survey_walks_aliases_and_cycles() -> None:
    """Names of fields and aliases are found through recursion, generics and models."""

    class Renamed(BaseModel):
        inner: Box[Tree] = Field(alias="outer")

    found = survey(dict[str, Renamed])

    assert found.needs_pydantic
    assert not found.has_struct
    assert {"inner", "outer", "item", "leaf", "more", "when", "level"} <= found.names


def test_pydantic_is_loaded_for_those_who_use_it() -> None:
    """Neither pydantic nor cryptography is imported for a dataclass read from JSON."""
    program = (
        "import sys, types, dataclasses\n"
        "sys.modules['anymq'] = package = types.ModuleType('anymq')\n"  # without its __init__
        f"package.__path__ = {anymq.__path__!r}\n"
        "import anymq.codecs as c, anymq.cloudevents\n"
        "D = dataclasses.make_dataclass('D', [('n', int)])\n"
        "codec = c.codec_by_name('json')\n"
        "assert codec.decoder(D)(codec.encode(D(1))) == D(1)\n"
        "print([name for name in ('pydantic', 'cryptography') if name in sys.modules])"
    )

    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=False, text=True
    )

    assert shown.stdout.strip() == "[]", shown.stderr
