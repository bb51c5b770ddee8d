"""Queries on one open connection, answered with plain dictionaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from databases.core import Connection
from sqlalchemy import Table, select
from sqlalchemy.sql import ClauseElement

from newsstand.storage.failures import translated

__all__ = ["Rows"]


@dataclass(frozen=True, slots=True)
class Rows:
    """Every call raises StorageUnavailable when the database is busy or gone."""

    connection: Connection

    async def all(self, query: ClauseElement) -> list[dict[str, Any]]:
        """Every row, in the query's order."""
        with translated():
            return [_plain(row) for row in await self.connection.fetch_all(query)]

    async def one(self, query: ClauseElement) -> dict[str, Any] | None:
        """The first row, or None."""
        with translated():
            row = await self.connection.fetch_one(query)
        return None if row is None else _plain(row)

    async def value(self, query: ClauseElement) -> Any:
        """The first column of the first row, or None."""
        with translated():
            return await self.connection.fetch_val(query)

    async def has(self, table: Table, id: int) -> bool:  # noqa: A002 - the column
        """Whether the table has a row of that id."""
        return await self.one(select(table.c.id).where(table.c.id == id)) is not None

    async def run(self, query: ClauseElement | str) -> None:
        """Carry it out; what the driver would answer differs, so nothing is answered."""
        await self.connection.execute(query)

    async def run_many(self, query: ClauseElement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Carry it out once per row, in order."""
        await self.connection.execute_many(query, [dict(row) for row in rows])


def _plain(row: Any) -> dict[str, Any]:
    return {key: row[key] for key in row}
