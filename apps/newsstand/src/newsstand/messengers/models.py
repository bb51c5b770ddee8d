"""Messengers as they travel: in requests, in messages and in answers."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

__all__ = ["Arrival", "HiredMessenger", "Identity", "Messenger", "Money", "Name"]

MAX_INTEGER = 2**31 - 1

Identity = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=45, pattern=r"^[^\x00-\x1f]*$"
    ),
]
# A JSON number, as clients of this interface have always got; ten digits before the point and two
# behind it are exact in it. Inside it is a decimal, and a text is taken too.
Money = Annotated[
    Decimal,
    Field(ge=0, max_digits=12, decimal_places=2),
    PlainSerializer(float, return_type=float, when_used="json"),
]


def _today() -> date:
    return datetime.now(UTC).date()


class HiredMessenger(BaseModel):
    """A messenger to be: what ``add`` and ``send`` take, and what the topic carries."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Identity | None = None
    """Used where it is given, assigned where it is not."""
    firstname: Name
    lastname: Name
    salary: Money
    date_employed: date = Field(default_factory=_today)
    status: Annotated[int, Field(ge=0, le=MAX_INTEGER)] = 1
    """1 delivers, 0 does not."""
    vendor_id: Identity


class Messenger(BaseModel):
    """A messenger that is registered. Rows of older databases may lack anything but the id."""

    model_config = ConfigDict(frozen=True)

    id: int
    firstname: str | None = None
    lastname: str | None = None
    salary: Annotated[Decimal, PlainSerializer(float, when_used="json")] | None = None
    date_employed: date | None = None
    status: int | None = None
    vendor_id: int | None = None


class Arrival(BaseModel):
    """The notice that a messenger was registered just now."""

    model_config = ConfigDict(frozen=True)

    messenger: Messenger
    came_by: Literal["add", "send"]
    """Inserted by the request itself, or by the group that reads the topic."""
