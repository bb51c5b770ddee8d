"""Inventing vendors, messengers and publications."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from newsstand.messengers.models import HiredMessenger
from newsstand.seed.names import FIRST_NAMES, LAST_NAMES, PAPER_TYPES, PAPERS, VENDORS

__all__ = ["invent_messengers", "invent_publications", "invent_vendors"]

# The last day of the invented past: fixed, so that the same seed is the same data every day.
LAST_DAY = date(2022, 3, 31)


def invent_vendors(seed: int = 0) -> list[dict[str, Any]]:
    """One row per name there is, ids from 1."""
    dice = random.Random(f"vendors {seed}")  # noqa: S311 - invented data
    return [
        {
            "id": number,
            "rep_firstname": dice.choice(FIRST_NAMES),
            "rep_lastname": dice.choice(LAST_NAMES),
            "rep_id": f"R-{dice.randrange(1000, 9999)}",
            "rep_date_employed": _day(dice, years=8),
            "account_name": name,
            "account_number": f"{dice.randrange(10**9, 10**10)}",
            "date_consigned": _day(dice, years=5),
        }
        for number, name in enumerate(VENDORS, start=1)
    ]


def invent_messengers(seed: int = 0) -> Iterator[HiredMessenger]:
    """Messengers without ids, for ever; the vendors are those that are invented."""
    dice = random.Random(f"messengers {seed}")  # noqa: S311 - invented data
    while True:
        yield HiredMessenger(
            firstname=dice.choice(FIRST_NAMES),
            lastname=dice.choice(LAST_NAMES),
            salary=Decimal(dice.randrange(1_150, 2_400, 5))
            + Decimal(dice.choice(("0.00", "0.50"))),
            date_employed=_day(dice, years=6),
            status=int(dice.random() < 0.9),
            vendor_id=dice.randint(1, len(VENDORS)),
        )


def invent_publications(messengers: list[dict[str, Any]], seed: int = 0) -> list[dict[str, Any]]:
    """One row per title, ids from 1, each delivered by a messenger of its vendor if there is one.

    ``messengers`` are rows with id and vendor_id.
    """
    dice = random.Random(f"publications {seed}")  # noqa: S311 - invented data
    rows = []
    for number, name in enumerate(PAPERS, start=1):
        vendor_id = (number - 1) % len(VENDORS) + 1
        able = [row["id"] for row in messengers if row["vendor_id"] == vendor_id]
        rows.append(
            {
                "id": number,
                "name": name,
                "type": dice.choice(PAPER_TYPES),
                "vendor_id": vendor_id,
                "messenger_id": dice.choice(able) if able else None,
            }
        )
    return rows


def _day(dice: random.Random, *, years: int) -> date:
    return LAST_DAY - timedelta(days=dice.randrange(years * 365))
