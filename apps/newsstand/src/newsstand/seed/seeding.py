"""Filling an empty database."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import func, insert, select

from newsstand.seed.invention import invent_messengers, invent_publications, invent_vendors
from newsstand.storage.rows import Rows
from newsstand.storage.storage import Storage
from newsstand.tables import messenger, publication, vendor

__all__ = ["Seeded", "seed_database"]

MESSENGERS = 60


@dataclass(frozen=True, slots=True)
class Seeded:
    """How many rows were made."""

    vendors: int
    messengers: int
    publications: int


async def seed_database(storage: Storage, *, seed: int = 0) -> Seeded | None:
    """Fill it in one transaction; None, and nothing happens, unless it is empty.

    Raises StorageUnavailable.
    """
    vendors = invent_vendors(seed)
    messengers = [
        {"id": number, **hired.model_dump(exclude={"id"})}
        for number, hired in enumerate(islice(invent_messengers(seed), MESSENGERS), start=1)
    ]
    publications = invent_publications(messengers, seed)
    async with storage.write() as rows:
        if not await _is_empty(rows):
            return None
        await rows.run_many(insert(vendor), vendors)
        await rows.run_many(insert(messenger), messengers)
        await rows.run_many(insert(publication), publications)
    return Seeded(len(vendors), len(messengers), len(publications))


async def _is_empty(rows: Rows) -> bool:
    tables: tuple[Any, ...] = (vendor, messenger, publication)
    counts = [await rows.value(select(func.count()).select_from(table)) for table in tables]
    return not any(counts)
