"""Sales as they travel: in requests, in the log and in answers."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, model_validator

from newsstand.messengers.models import Identity, Money

__all__ = ["Judged", "NewSale", "Sale"]

MAX_COPIES = 10_000_000
# As it was always sent: a JSON number. Inside it is a decimal.
Amount = Annotated[
    Decimal,
    Field(max_digits=12, decimal_places=2),
    PlainSerializer(float, return_type=float, when_used="json"),
]
Loose = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]


def _today() -> date:
    return datetime.now(UTC).date()


class NewSale(BaseModel):
    """One day's sales of one publication, to be recorded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Identity | None = None
    """Used where it is given, assigned where it is not."""
    publication_id: Identity
    copies_issued: Annotated[int, Field(ge=0, le=MAX_COPIES)]
    copies_sold: Annotated[int, Field(ge=0, le=MAX_COPIES)]
    date_issued: date = Field(default_factory=_today)
    revenue: Money
    profit: Amount
    """Negative where the day cost more than it brought."""

    @model_validator(mode="after")
    def _sold_what_there_was(self) -> Self:
        if self.copies_sold > self.copies_issued:
            raise ValueError("copies_sold is more than copies_issued")
        return self


class Sale(BaseModel):
    """A recorded sale. Rows of older databases may lack anything but the id."""

    model_config = ConfigDict(frozen=True)

    id: int
    publication_id: int | None = None
    copies_issued: int | None = None
    copies_sold: int | None = None
    date_issued: date | None = None
    revenue: Loose | None = None
    profit: Loose | None = None


class Judged(BaseModel):
    """A sale held against its quota, or why that cannot be said."""

    model_config = ConfigDict(frozen=True)

    sale: Sale
    is_within_quota: bool | None = None
    missing: Loose | None = None
    """What revenue and profit lack; 0 or less is within quota."""
    error: str | None = None


"""Which value of the record does not allow an answer; it stands beside all others."""
