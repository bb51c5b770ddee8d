"""What every piece of work in the writer's thread gets: the connection, and what it touched."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from anymq_sqlite.routing import Routing, load_routing

__all__ = ["Session", "placeholders"]


class Session:
    """Belongs to the writer's thread. Work notes in ``touched`` whom it gave something to do."""

    __slots__ = ("_is_routing_fresh", "_routing", "connection", "execute", "file", "touched")

    def __init__(self, connection: sqlite3.Connection, file: str) -> None:
        self.connection = connection
        self.file = file
        self.execute = connection.execute
        self.touched: set[int] = set()
        """Groups (their ids) and streams (their ids, negated) that have something new."""
        self._routing = Routing()
        self._is_routing_fresh = False

    def begin(self) -> None:
        """A transaction begins: what was read before it may have changed."""
        self._is_routing_fresh = False

    def routing(self) -> Routing:
        """Topics and groups, as this transaction sees them."""
        if not self._is_routing_fresh:
            self._routing = load_routing(self.connection, self._routing)
            self._is_routing_fresh = self.connection.in_transaction
        return self._routing

    def topology_changed(self) -> None:
        """After work that changed it, within the same transaction."""
        self._is_routing_fresh = False

    def forget(self) -> None:
        """A transaction was rolled back: nothing of it holds."""
        self.touched.clear()
        self._routing = Routing()
        self._is_routing_fresh = False

    def one(self, query: str, values: Sequence[Any] = ()) -> Any:
        """The first column of the first row; None if there is none."""
        row = self.execute(query, values).fetchone()
        return None if row is None else row[0]


def placeholders(count: int) -> str:
    """``?,?,?`` for a list of values. At most a batch, so far below SQLite's limit."""
    return ",".join("?" * count)
