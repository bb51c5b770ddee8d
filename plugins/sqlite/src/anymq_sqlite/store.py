"""The file as one role of an application has it: its writer's thread is the process's own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from anymq.abc import BackendEvent, EventSink
from anymq.abc.events import EventKind
from anymq.errors import AnyMQError, BackendUnavailable, ClosedError, InvalidState
from anymq.support.thread_bridge import ThreadBridge
from anymq_sqlite.database import Database
from anymq_sqlite.options import SqliteOptions
from anymq_sqlite.request import Request
from anymq_sqlite.session import Session
from anymq_sqlite.upkeep import Roster, upkeep
from anymq_sqlite.writer import Writer

__all__ = ["Store", "writers"]

T = TypeVar("T")

JOIN_S = 1.0
"""For what the thread does after it told its end: return, within microseconds."""


class _Shared:
    """One writer and who uses it. ``_guard`` guards ``users`` and the table of all of them."""

    def __init__(self, options: SqliteOptions) -> None:
        database = Database(
            options.file,
            open_limit_s=options.connect_timeout_s,
            busy_limit_s=options.busy_timeout_s,
        )
        self.database = database
        self.writer = Writer(database)
        self.roster = Roster()
        self.users = 0


class Store:
    """One user's way to the writer. Not for other processes: a fork must open its own."""

    def __init__(
        self, options: SqliteOptions, *, on_exchange: Callable[[Session], None] | None = None
    ) -> None:
        """``on_exchange``: called in the thread, in a transaction, on a file that took the place of
        the one that was open."""
        self.file = options.file
        self._on_exchange = on_exchange
        self._options = options
        self._pid = os.getpid()
        self._shared: _Shared | None = None
        self._bridge: ThreadBridge | None = None
        self._events: EventSink | None = None

    async def open(self, events: EventSink) -> None:
        """Open the file, or join who has it open. Raises what is wrong with it."""
        if self._shared is not None:
            raise InvalidState(f"{self.file} is open already")
        self._bridge = ThreadBridge(asyncio.get_running_loop())
        self._shared = _join(self._options)
        is_open = False
        try:
            await self.run(_look, timeout_s=self._options.connect_timeout_s + 1.0, writes=False)
            is_open = True
        finally:
            if not is_open:
                await self.aclose(timeout_s=JOIN_S)
        self._events = events
        self.writer.on_news.append(self._told)
        if self._on_exchange is not None:
            self._used().database.on_exchange.append(self._on_exchange)
        events(BackendEvent("connected", self.file))

    @property
    def writer(self) -> Writer:
        """The thread. Raises ClosedError when closed, InvalidState in a forked process."""
        return self._used().writer

    @property
    def roster(self) -> Roster:
        """The members that this process keeps alive; for the thread."""
        return self._used().roster

    @property
    def trouble(self) -> str | None:
        """Why the file cannot be used at present, if so."""
        shared = self._used()
        if shared.database.broken is not None:
            return shared.database.broken
        return None if shared.writer.trouble is None else str(shared.writer.trouble)

    @property
    def reset_at(self) -> float | None:
        """When (monotonic) the file was last found exchanged for another one."""
        return self._used().database.reset_at

    def call(self, function: Callable[..., object], *args: Any) -> None:
        """Have something called on the loop; for the thread."""
        if self._bridge is not None:
            self._bridge.call(function, *args)

    def submit(self, request: Request[Any]) -> None:
        """Hand a request to the thread. Raises ClosedError."""
        self.writer.submit(request)

    async def run(
        self,
        work: Callable[[Session], T],
        *,
        timeout_s: float,
        writes: bool = True,
        is_durable: bool = True,
        in_thread: Callable[[T], object] | None = None,
    ) -> T:
        """What the work gives; ``in_thread`` gets it first, in the thread, after the commit.

        Cancelled, or out of time: done or not, but never half.

        Raises: what the work raises, BackendUnavailable when not done in time, ClosedError.
        """
        writer = self.writer
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def done(value: T | None, failure: AnyMQError | None) -> None:
            if failure is None and in_thread is not None:
                in_thread(value)  # type: ignore[arg-type]  # None only where T is
            self.call(_resolve, future, value, failure)

        request = Request(work, on_done=done, writes=writes, is_durable=is_durable)
        writer.submit(request)
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError as error:
            raise BackendUnavailable(
                f"{self.file} is busy: not done within {timeout_s:.3g} s"
            ) from error
        finally:
            request.is_cancelled = True

    async def aclose(self, *, timeout_s: float) -> None:
        """Let go; the last one ends the thread, once it did what was submitted. Idempotent."""
        ended = self.let_go()
        if ended is None:
            return
        writer, event = ended
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            return  # a disk that does not answer; the thread is a daemon
        writer.join(JOIN_S)

    def let_go(self) -> tuple[Writer, asyncio.Event] | None:
        """Let go without waiting; the writer, and what is set once it ended, for the last one."""
        shared, self._shared = self._shared, None
        if shared is None or self._pid != os.getpid():
            return None
        if self._told in shared.writer.on_news:
            shared.writer.on_news.remove(self._told)
        if self._on_exchange in shared.database.on_exchange:
            shared.database.on_exchange.remove(self._on_exchange)
        if not _leave(shared, self.file):
            return None
        event = asyncio.Event()
        shared.writer.stop(lambda: self.call(event.set))
        return shared.writer, event

    def _used(self) -> _Shared:
        if self._pid != os.getpid():
            raise InvalidState(
                f"{self.file} was opened before this process was forked: open it after the fork"
            )
        if self._shared is None:
            raise ClosedError(f"{self.file} is not open")
        return self._shared

    def _told(self, kind: EventKind, detail: str) -> None:
        if self._events is not None:
            self.call(self._events, BackendEvent(kind, detail))


def writers(file: str) -> list[Writer]:
    """Those of this process that have a file open; for tests."""
    with _guard:
        return [shared.writer for key, shared in _open.items() if key == (os.getpid(), file)]


def _join(options: SqliteOptions) -> _Shared:
    key = (os.getpid(), options.file)
    with _guard:
        shared = _open.get(key)
        if shared is None or shared.writer.is_ended:
            shared = _open[key] = _Shared(options)
            for job in upkeep(shared.roster):
                shared.writer.add_job(job)
            shared.writer.start()
        shared.users += 1
        return shared


def _leave(shared: _Shared, file: str) -> bool:
    """Whether that was the last user."""
    with _guard:
        shared.users -= 1
        if shared.users:
            return False
        key = (os.getpid(), file)
        if _open.get(key) is shared:
            del _open[key]
        return True


def _look(session: Session) -> None:
    session.one("SELECT count(*) FROM meta")


def _resolve(future: asyncio.Future[Any], value: Any, failure: AnyMQError | None) -> None:
    if future.done():
        return
    if failure is None:
        future.set_result(value)
    else:
        future.set_exception(failure)


_guard = threading.Lock()
_open: dict[tuple[int, str], _Shared] = {}
