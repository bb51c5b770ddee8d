"""The conformance kit's harness."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from anymq.errors import ConfigError, UnsupportedError
from anymq.testing.harness import Disruption, Harness, Timings
from anymq.urls import parse_url
from anymq_sqlite.connection import connect, read_only
from anymq_sqlite.members import living
from anymq_sqlite.options import SqliteOptions
from anymq_sqlite.request import Request
from anymq_sqlite.session import Session
from anymq_sqlite.store import writers
from anymq_sqlite.topology import remove_group

if TYPE_CHECKING:
    from anymq.plugins.registry import Registry

__all__ = ["SqliteHarness"]

FOLDER = ".conform"
AWAY = ".away"
NOTICED_S = 0.5
"""By when whoever writes or waits has noticed that the file is gone."""
HELD_S = 30.0
"""For a process to start and to get the lock."""
ANSWER_S = 5.0
"""For a writer to do what it is asked to."""
HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""
"""Holds the lock until its standard input is closed: by the harness, or by the end of its process,
whichever way that ends."""


async def _cut(file: str) -> None:
    """Close the connections of this process's writers to a file, underneath them."""
    loop = asyncio.get_running_loop()
    for writer in writers(file):
        done = asyncio.Event()

        def close(connection: sqlite3.Connection | None, _failure: object) -> None:
            if connection is not None:
                connection.close()
            loop.call_soon_threadsafe(done.set)  # noqa: B023 - waited for in this turn

        writer.submit(Request(lambda session: session.connection, on_done=close, writes=False))
        async with asyncio.timeout(ANSWER_S):
            await done.wait()


class SqliteHarness(Harness):
    """The file under test lies in a folder of its own, beside where the URL says: an outage moves
    that folder away, and nothing else."""

    backend: ClassVar[str] = "sqlite"
    timings: ClassVar[Timings] = Timings(late_s=0.15, detect_s=2.0)
    """``detect_s``: after so long at most health tells that nobody can write."""

    def __init__(self, url: str = "", *, registry: Registry | None = None) -> None:
        parsed = parse_url(url)
        file = SqliteOptions(path=parsed.path).file
        if not os.path.dirname(file).endswith(FOLDER):
            file = os.path.join(f"{file}{FOLDER}", os.path.basename(file))
        query = "&".join(f"{key}={quote(value)}" for key, value in parsed.query.items())
        address = f"sqlite:///{quote(file)}" + (f"?{query}" if query else "")
        super().__init__(address, registry=registry)
        self.file = file
        self._holder: asyncio.subprocess.Process | None = None

    async def options(self) -> dict[str, Any]:
        self._make_folder()
        return {"url": self.url}

    async def cleanup(self) -> None:
        shutil.rmtree(os.path.dirname(self.file), ignore_errors=True)

    @property
    def can_disrupt(self) -> frozenset[Disruption]:
        return frozenset(
            {"kill", "restart", "half-open", "heal", "delete", "cut", "refuse", "wipe", "revoke"}
        )

    @property
    def remedy(self) -> str:
        return "a file has no packets to delay or to drop"

    async def disrupt(self, how: Disruption) -> None:
        if how not in self.can_disrupt:
            raise UnsupportedError(f"this harness cannot {how} its backend: {self.remedy}")
        if how == "half-open":
            await self._hold_lock()
        elif how == "heal":
            await self._let_lock_go()
            self._move(away=False)
        elif how == "cut":
            await _cut(self.file)
        elif how == "wipe":
            self._exchange(b"")
            shutil.rmtree(f"{os.path.dirname(self.file)}{AWAY}")
        elif how == "revoke":
            self._exchange(b"no database at all" * 100)
        else:
            if how == "restart" and os.path.isdir(os.path.dirname(self.file)):  # noqa: ASYNC240
                self._move(away=True)
                await asyncio.sleep(NOTICED_S)
            self._move(away=how in ("kill", "refuse"))

    async def delete(self, topic: str, group: str) -> None:
        connection = connect(self.file, limit_s=5.0)
        try:
            session = Session(connection, self.file)
            connection.execute("BEGIN IMMEDIATE")
            query = "SELECT id FROM groups WHERE topic = ? AND name = ?"
            remove_group(session, session.one(query, (topic, group)))
            connection.execute("COMMIT")
        finally:
            connection.close()

    async def _hold_lock(self) -> None:
        """A process that begins to write, and goes no further."""
        if self._holder is None:
            self._holder = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", HOLD, self.file), stdin=PIPE, stdout=PIPE
            )
            if self._holder.stdout is not None:
                async with asyncio.timeout(HELD_S):
                    await self._holder.stdout.readline()

    async def _let_lock_go(self) -> None:
        holder, self._holder = self._holder, None
        if holder is not None:
            holder.kill()
            await holder.communicate()

    async def set_outage(self, reason: str | None) -> None:
        self._move(away=reason is not None)

    async def inspect(self) -> Mapping[str, int]:
        return self._count()

    async def revocable_url(self) -> str:
        return self.url

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
            beside = os.path.dirname(os.path.dirname(self.file))
            if not os.path.isdir(beside):
                raise ConfigError(f"{beside} does not exist: make it, or correct the path in url")
            os.makedirs(os.path.dirname(self.file), exist_ok=True)

    def _move(self, *, away: bool) -> None:
        here = os.path.dirname(self.file)
        there = f"{here}{AWAY}"
        if away and os.path.isdir(here):
            os.rename(here, there)
        elif not away and os.path.isdir(there):
            shutil.rmtree(here, ignore_errors=True)  # what was put in its place, if so
            os.rename(there, here)

    def _exchange(self, content: bytes) -> None:
        """Move the folder away, and put another one with such a file in its place."""
        here = os.path.dirname(self.file)
        made = f"{here}.new"
        os.makedirs(made)
        with open(os.path.join(made, os.path.basename(self.file)), "wb") as file:
            file.write(content)
        os.rename(here, f"{here}{AWAY}")
        os.rename(made, here)
