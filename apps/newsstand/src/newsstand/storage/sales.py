"""The sales in the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, select

from newsstand.errors import Conflict, MissingReference
from newsstand.sales.models import NewSale, Sale
from newsstand.storage.storage import Storage
from newsstand.tables import publication, sales

__all__ = ["SalesRows"]

PAGE = 1000
_MONEY = ("revenue", "profit")


class SalesRows:
    """Reads and writes sales. Every call raises StorageUnavailable when it cannot."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def add(self, new: NewSale) -> Sale:
        """Insert one. Raises Conflict (its id is taken), MissingReference (no such publication)."""
        async with self._storage.write() as rows:
            if new.id is not None and await rows.has(sales, new.id):
                raise Conflict("sale", new.id)
            if not await rows.has(publication, new.publication_id):
                raise MissingReference("publication", new.publication_id)
            values = new.model_dump(exclude_none=True)
            new_id = await rows.value(insert(sales).values(**values).returning(sales.c.id))
        return _sale({**values, "id": new_id})

    async def all(self) -> AsyncIterator[Sale]:
        """Every sale by its id, a page at a time: no transaction stays open between two."""
        query = select(sales).order_by(sales.c.id).limit(PAGE)
        page = query
        while True:
            found = await self._storage.read.all(page)
            for row in found:
                yield _sale(row)
            if len(found) < PAGE:
                return
            page = query.where(sales.c.id > found[-1]["id"])


def _sale(row: dict[str, Any]) -> Sale:
    """Money comes as the database keeps it, a double: its shortest text is the amount meant."""
    money = {name: Decimal(str(row[name])) for name in _MONEY if row.get(name) is not None}
    return Sale(**{**row, **money})
