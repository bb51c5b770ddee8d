"""The conformance kit's harness."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from anymq.testing.harness import Disruption, Harness, Timings
from anymq.urls import parse_url
from anymq_sqlite.connection import read_only
from anymq_sqlite.members import living
from anymq_sqlite.options import SqliteOptions
from anymq_sqlite.session import Session

if TYPE_CHECKING:
    from anymq.plugins.registry import Registry

__all__ = ["SqliteHarness"]

FOLDER = ".conform"
AWAY = ".away"


class SqliteHarness(Harness):
    """The file under test lies in a folder of its own, beside where the URL says: an outage moves
    that folder away, and nothing else."""

    backend: ClassVar[str] = "sqlite"
    timings: ClassVar[Timings] = Timings(late_s=0.15)

    def __init__(self, url: str = "", *, registry: Registry | None = None) -> None:
        parsed = parse_url(url)
        file = SqliteOptions(path=parsed.path).file
        if not os.path.dirname(file).endswith(FOLDER):
            file = os.path.join(f"{file}{FOLDER}", os.path.basename(file))
        query = "&".join(f"{key}={quote(value)}" for key, value in parsed.query.items())
        address = f"sqlite:///{quote(file)}" + (f"?{query}" if query else "")
        super().__init__(address, registry=registry)
        self.file = file

    async def options(self) -> dict[str, Any]:
        self._make_folder()
        return {"url": self.url}

    async def cleanup(self) -> None:
        shutil.rmtree(os.path.dirname(self.file), ignore_errors=True)

    async def disrupt(self, how: Disruption) -> None:
        await self.set_outage("killed by the harness" if how == "kill" else None)

    async def set_outage(self, reason: str | None) -> None:
        self._move(away=reason is not None)

    async def inspect(self) -> Mapping[str, int]:
        return self._count()

    def _count(self) -> Mapping[str, int]:
        if not os.path.exists(self.file):
            return {}
        connection = read_only(self.file)
        try:
            alive = living(Session(connection, self.file))
            rows = connection.execute(
                "SELECT m.member, g.name FROM membership AS m JOIN groups AS g ON g.id = m.gid"
            ).fetchall()
        finally:
            connection.close()
        there = [(member, name) for member, name in rows if member in alive]
        return {
            "consumers": len({member for member, _ in there}),
            "anonymous": sum(name is None for _, name in there),
        }

    def _make_folder(self) -> None:
        if not os.path.isdir(f"{os.path.dirname(self.file)}{AWAY}"):
            os.makedirs(os.path.dirname(self.file), exist_ok=True)

    def _move(self, *, away: bool) -> None:
        here = os.path.dirname(self.file)
        there = f"{here}{AWAY}"
        if away and os.path.isdir(here):
            os.rename(here, there)
        elif not away and os.path.isdir(there):
            os.rename(there, here)
