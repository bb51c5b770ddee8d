"""The messengers in the database."""

from __future__ import annotations

from sqlalchemy import func, insert, select

from newsstand.errors import Conflict, MissingReference
from newsstand.messengers.models import HiredMessenger, Messenger
from newsstand.storage.rows import Rows
from newsstand.storage.storage import Storage
from newsstand.tables import messenger, vendor

__all__ = ["MessengerRows", "check_hire", "find_messenger", "insert_messenger"]


class MessengerRows:
    """Reads and writes messengers. Every call raises StorageUnavailable when it cannot."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def add(self, hired: HiredMessenger) -> Messenger:
        """Insert one. Raises Conflict (its id is taken), MissingReference (no such vendor)."""
        async with self._storage.write() as rows:
            return await insert_messenger(rows, hired)

    async def check(self, hired: HiredMessenger) -> None:
        """Raise what ``add`` would raise if it were called now."""
        await check_hire(self._storage.read, hired)

    async def newest(self, *, limit: int, before: int | None = None) -> list[Messenger]:
        """At most ``limit``, highest id first; with ``before`` only those of lower ids."""
        query = select(messenger).order_by(messenger.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(messenger.c.id < before)
        return [Messenger(**row) for row in await self._storage.read.all(query)]

    async def count(self) -> int:
        """How many there are."""
        return int(await self._storage.read.value(select(func.count()).select_from(messenger)))


async def check_hire(rows: Rows, hired: HiredMessenger) -> None:
    """Raises Conflict, MissingReference."""
    if hired.id is not None and await rows.has(messenger, hired.id):
        raise Conflict("messenger", hired.id)
    if not await rows.has(vendor, hired.vendor_id):
        raise MissingReference("vendor", hired.vendor_id)


async def insert_messenger(rows: Rows, hired: HiredMessenger) -> Messenger:
    """Insert one within the transaction of ``rows``. Raises Conflict, MissingReference."""
    await check_hire(rows, hired)
    values = hired.model_dump(exclude_none=True)
    new_id = await rows.value(insert(messenger).values(**values).returning(messenger.c.id))
    return Messenger(**{**values, "id": new_id})


async def find_messenger(rows: Rows, id: int | None) -> Messenger | None:  # noqa: A002 - column
    """The messenger of that id, or None."""
    row = await rows.one(select(messenger).where(messenger.c.id == id))
    return None if row is None else Messenger(**row)
