"""Waiting for jobs to end: any number, in one task and no thread."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

from anymq.abc.job_store import TERMINAL_STATES, JobRecord
from anymq.errors import AnyMQError
from anymq.support.clock import Clock
from anymq.tasks.batcher import Spawn
from anymq.tasks.envelope import Ending
from anymq.tasks.ledger import Ledger
from anymq.tasks.raw import bytes_of

__all__ = ["Ticket", "Waiting"]

LOOK_EVERY_S = 5.0
"""How often the store is asked about jobs whose reply should have come: a reply can be lost."""
CHANGED_S = 1.0
"""The same for jobs that somebody else submitted, between which the store tells of changes."""
AGAIN_S = 0.5
"""After a store that did not answer."""


class Ticket:
    """What this process knows of a job's end; shared by its handles, and gone with them."""

    __slots__ = ("__weakref__", "is_ours", "job_id", "record", "waiters")

    def __init__(self, job_id: str, is_ours: bool) -> None:
        self.job_id = job_id
        self.is_ours = is_ours
        """Whether its reply comes to this process."""
        self.record: JobRecord | None = None
        self.waiters: list[asyncio.Future[None]] = []

    def resolve(self, record: JobRecord) -> None:
        """The job has ended."""
        self.record = record
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self.waiters.clear()


class Waiting:
    """Replies resolve tickets at once; the store, the truth, is looked at, too."""

    def __init__(self, ledger: Ledger, clock: Clock, spawn: Spawn) -> None:
        self._ledger = ledger
        self._clock = clock
        self._spawn = spawn
        self._tickets: WeakValueDictionary[str, Ticket] = WeakValueDictionary()
        self._waited = 0
        self._is_looking = False
        self._wake = asyncio.Event()

    def ticket(self, job_id: str, *, is_ours: bool) -> Ticket:
        """The job's ticket. Before it is submitted: its reply may come sooner than one thinks."""
        found = self._tickets.get(job_id)
        if found is None:
            found = self._tickets[job_id] = Ticket(job_id, is_ours)
        return found

    async def wait(self, ticket: Ticket) -> JobRecord:
        """The record of the end."""
        if ticket.record is None:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            ticket.waiters.append(waiter)
            self._waited += 1
            try:
                self._look_on(at_once=not ticket.is_ours)
                await waiter
            finally:
                self._waited -= 1
                if waiter in ticket.waiters:
                    ticket.waiters.remove(waiter)
        if ticket.record is None:
            raise RuntimeError("a ticket was resolved without a record")
        return ticket.record

    def ended(self, ending: Ending) -> None:
        """A reply came."""
        if not ending.is_whole:
            self.look_now()
            return
        ticket = self._tickets.get(ending.job)
        if ticket is not None and ticket.record is None:
            result, error = bytes_of(ending.result), bytes_of(ending.error)
            ticket.resolve(JobRecord(ending.job, ending.state, 0, result, error))

    def look_now(self) -> None:
        """Ask the store about everything: replies may have been lost."""
        self._wake.set()

    def _look_on(self, *, at_once: bool) -> None:
        if at_once:
            self._wake.set()
        if not self._is_looking:
            self._is_looking = True
            self._spawn(self._look())

    async def _look(self) -> None:
        """Ends when nobody waits any more."""
        try:
            while self._waited:
                await self._pause()
                try:
                    await self._ask()
                except AnyMQError:  # waiters have limits of their own; the store may come back
                    await self._clock.sleep(AGAIN_S)
        finally:
            self._is_looking = False

    async def _pause(self) -> None:
        """Until it is time to ask, or a job of others changed."""
        foreign = [t.job_id for t in self._open() if not t.is_ours]
        if not self._wake.is_set():
            changed = self._changed(foreign) if foreign else self._clock.sleep(LOOK_EVERY_S)
            async with asyncio.TaskGroup() as group:
                waits = (group.create_task(_until(self._wake)), group.create_task(changed))
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for wait in waits:
                    wait.cancel()
        self._wake.clear()

    async def _changed(self, foreign: list[str]) -> None:
        """Until the store tells of one, or has not for a while."""
        try:
            await self._ledger.store.changed(foreign, wait_s=CHANGED_S)
        except AnyMQError:
            await self._clock.sleep(AGAIN_S)

    async def _ask(self) -> None:
        ids = [ticket.job_id for ticket in self._open()]
        for record in await self._ledger.get_many(ids):
            ticket = None if record is None else self._tickets.get(record.id)
            if record is not None and record.state in TERMINAL_STATES and ticket is not None:
                ticket.resolve(record)
        # Whoever was resolved has not run yet, and counts as waiting until then.
        await asyncio.sleep(0)

    def _open(self) -> list[Ticket]:
        return [ticket for ticket in self._tickets.values() if ticket.record is None]


async def _until(event: asyncio.Event) -> None:
    await event.wait()
