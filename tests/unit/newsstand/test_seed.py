"""Invented data: the same every time, believable, and never into a database that has some."""

from __future__ import annotations

from itertools import islice

from sqlalchemy import func, select

from newsstand.seed.invention import invent_messengers, invent_vendors
from newsstand.seed.seeding import Seeded, seed_database
from newsstand.storage.storage import Storage
from newsstand.tables import messenger, publication


async def test_an_empty_database_is_filled_once(storage: Storage) -> None:
    """The second time nothing happens."""
    assert await seed_database(storage) == Seeded(vendors=12, messengers=60, publications=16)
    assert await seed_database(storage) is None
    assert await storage.read.value(select(func.count()).select_from(messenger)) == 60


async def test_a_publication_is_delivered_by_a_messenger_of_its_vendor(seeded: Storage) -> None:
    """As far as it has any."""
    query = select(publication.c.vendor_id, messenger.c.vendor_id.label("of")).join(messenger)

    rows = await seeded.read.all(query)

    assert rows
    assert all(row["vendor_id"] == row["of"] for row in rows)


def test_a_seed_decides_everything() -> None:
    """The same one twice, and another one."""
    first, again = (list(islice(invent_messengers(1), 50)) for _ in range(2))

    assert first == again
    assert first != list(islice(invent_messengers(2), 50))
    assert invent_vendors(1) == invent_vendors(1)
    assert len({(one.firstname, one.lastname) for one in first}) > 40
