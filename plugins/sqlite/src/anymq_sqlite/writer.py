"""The one thread of a process that has the file: takes what came, one transaction for all of it."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from anymq.abc.events import EventKind
from anymq.errors import AccessDenied, AnyMQError, BackendUnavailable, BufferFull, ClosedError
from anymq_sqlite.alarm import Alarm
from anymq_sqlite.bell import Bell
from anymq_sqlite.database import Database, Outcome
from anymq_sqlite.errors import FileRefused, translate
from anymq_sqlite.request import Request, nothing, probe

__all__ = ["Job", "Writer"]

POLL_S = 0.025
"""How often to look whether another process wrote, while somebody waits."""
RETRY_S = 0.25
"""How often to try again what waits while the file cannot be used."""
MOST = 200
"""Requests in one transaction: others want the file, too."""

Job = Callable[[float], tuple[float, list[Request[Any]]]]
"""Called with the monotonic time when due; gives when it is due again, and what to do now."""


class Writer:
    """Requests come from any thread; their results are told in this one."""

    def __init__(self, database: Database) -> None:
        self.trouble: AnyMQError | None = None
        """Why the file cannot be used at present."""
        self.full: AnyMQError | None = None
        """Why the last write that had to be on the disk was rejected, if it was."""
        self.on_news: list[Callable[[EventKind, str], None]] = []
        """Told, in this thread, when trouble begins and ends, and when the file is another one."""
        self._database = database
        self._bell = Bell(database.file)
        self._queue: deque[Request[Any]] = deque()
        # Guards the queue's end against the thread's: nothing is queued that nobody takes.
        self._lock = threading.Lock()
        self._is_asleep = self._is_stopping = self._is_ended = False
        self._parked: list[Request[Any]] = []
        self._jobs: list[tuple[float, Job]] = []
        self._retry_at = 0.0
        self._reset_at: float | None = None
        self._failure: AnyMQError = ClosedError(f"{database.file} was closed")
        self._alarm = Alarm()
        self._on_end: list[Callable[[], None]] = []
        self._thread = threading.Thread(
            target=self._main, name=f"anymq-sqlite {os.path.basename(database.file)}", daemon=True
        )

    def start(self) -> None:
        """Begin, with opening the file; if that fails, every request tells why."""
        self._thread.start()

    @property
    def is_ended(self) -> bool:
        """Whether it takes nothing more."""
        return self._is_ended or self._is_stopping

    def submit(self, request: Request[Any]) -> None:
        """Have something done. Any thread. Raises why the thread has ended (ClosedError), if so."""
        with self._lock:
            if self._is_ended:
                raise self._failure
            self._queue.append(request)
            self._wake()

    def stop(self, on_end: Callable[[], None]) -> None:
        """Carry out what was submitted, then end; ``on_end`` is called in the thread, or here."""
        with self._lock:
            if not self._is_ended:
                self._on_end.append(on_end)
                self._is_stopping = True
                self._wake()
                return
        on_end()

    def join(self, limit_s: float) -> bool:
        """Wait for the end; whether it came."""
        self._thread.join(limit_s)
        return not self._thread.is_alive()

    def add_job(self, job: Job) -> None:
        """Have something done again and again. Before the start."""
        self._jobs.append((0.0, job))

    def _wake(self) -> None:
        if self._is_asleep:
            self._is_asleep = False
            self._alarm.set()

    def _main(self) -> None:
        try:
            self._database.session()
            self._bell.open()
            while self._turn():
                pass
        except Exception as error:  # noqa: BLE001 - told to everybody who waits
            self._failure = translate(error, self._database.file)
        finally:
            self._end(self._failure)

    def _end(self, failure: AnyMQError) -> None:
        with self._lock:
            self._is_ended = True
            left = [*self._queue, *self._parked]
            self._queue.clear()
        self._bell.close()
        self._database.close()
        self._alarm.close()
        for request in left:
            request.on_done(None, failure)
        if not isinstance(failure, ClosedError):
            self._note(failure)
        for on_end in self._on_end:
            on_end()

    def _turn(self) -> bool:
        batch = self._next()
        if batch:
            self._carry_out(batch)
            return True
        if self._is_stopping and not self._queue:
            return False
        self._sleep()
        return True

    def _next(self) -> list[Request[Any]]:
        batch: list[Request[Any]] = []
        with self._lock:
            while self._queue and len(batch) < MOST:
                batch.append(self._queue.popleft())
        now = time.monotonic()
        if not (self._is_stopping or self._is_refused):
            for index, (due, job) in enumerate(self._jobs):
                if due <= now:
                    again_at, wanted = job(now)
                    self._jobs[index] = (again_at, job)
                    batch += wanted
        parked, self._parked = self._parked, []
        if self.trouble is not None and now >= self._retry_at and not self._is_stopping:
            self._retry_at = now + RETRY_S
            batch.append(Request(probe, on_done=nothing, is_durable=False))
        for request in parked:
            if request.is_cancelled:
                continue
            ready = request.is_hot or (request.due is not None and request.now() >= request.due)
            (batch if ready else self._parked).append(request)
        return [request for request in batch if not request.is_cancelled]

    def _carry_out(self, batch: list[Request[Any]]) -> None:
        waiting = [request for request in batch if request.may_have is not None]
        writes = [request for request in batch if request.writes and request.may_have is None]
        outcomes: list[Outcome] = []
        if not writes:
            waiting = self._promising(waiting)
        if writes or waiting:
            outcomes = self._database.write(writes + waiting)
            self._spread()
        outcomes += [self._database.read(request) for request in batch if not request.writes]
        self._tell_news()
        for request, value, failure in outcomes:
            self._finish(request, value, failure)
        if self._is_refused:
            parked, self._parked = self._parked, []
            for request in parked:
                self._park(request)  # nobody waits for a file that is refused

    def _promising(self, waiting: list[Request[Any]]) -> list[Request[Any]]:
        """Those whose work would give something; the others are parked, without any lock."""
        found = []
        for request in waiting:
            if self._look(request):
                found.append(request)
            else:
                self._park(request)
        return found

    def _look(self, request: Request[Any]) -> bool:
        """Whether there may be something for it; notes when there will be at the latest."""
        look = Request(request.may_have or probe, on_done=nothing, writes=False)
        _, value, failure = self._database.read(look)
        request.is_hot = False
        if failure is not None:
            self._note(failure)
            return False
        has, request.due = value
        return bool(has)

    def _finish(self, request: Request[Any], value: Any, failure: AnyMQError | None) -> None:
        if failure is not None or request.writes:
            self._note(failure)
        if isinstance(failure, BufferFull):
            self.full = failure
        elif failure is None and request.writes and request.is_durable:
            self.full = None
        if request.may_have is None or value is not None or request.is_cancelled:
            request.on_done(value, failure)
        elif failure is not None and failure.error_class != "transient":
            request.on_done(None, failure)
        else:
            request.is_hot = failure is None and self._look(request)
            self._park(request)

    def _park(self, request: Request[Any]) -> None:
        if self._is_refused:
            request.on_done(None, self.trouble)
        elif request.waits:
            self._parked.append(request)
        else:
            request.on_done(None, None)

    def _note(self, failure: AnyMQError | None) -> None:
        """Keep and tell the file's condition, as far as this outcome tells it."""
        if failure is None:
            if self.trouble is not None:
                self.trouble = None
                self._heat()
                self._tell("recovered")
        elif isinstance(failure, BackendUnavailable | AccessDenied | FileRefused):
            is_new, self.trouble = self.trouble is None, failure
            # Without access nobody goes on knocking: whoever asks for something tries again.
            self._retry_at = math.inf if self._is_refused else time.monotonic() + RETRY_S
            if is_new:
                self._tell("lost", str(failure))

    @property
    def _is_refused(self) -> bool:
        """Whether the file cannot be used until somebody has done something about it."""
        return isinstance(self.trouble, AccessDenied | FileRefused)

    def _tell_news(self) -> None:
        """What the database found and mended by itself."""
        for text in self._database.take_news():
            if self.trouble is None:
                self._tell("lost", text)
                self._tell("recovered")
            self._heat()
        if self._database.reset_at != self._reset_at:
            self._reset_at = self._database.reset_at
            self._bell.close()
            self._bell.open()
            self._heat()
            self._tell("degraded", f"data reset: {self._database.file} is another file now")

    def _tell(self, kind: EventKind, detail: str = "") -> None:
        for listener in tuple(self.on_news):
            listener(kind, detail)

    def _spread(self) -> None:
        """After a commit: who waits here for what was touched is tried again, others are rung."""
        touched = self._database.take_touched()
        if not touched:
            return
        for request in self._parked:
            if not request.keys.isdisjoint(touched):
                request.is_hot = True
        self._bell.ring()

    def _sleep(self) -> None:
        now = time.monotonic()
        until = now + 60.0
        if not self._is_refused:
            until = min((due for due, _ in self._jobs), default=until)
        if self.trouble is not None:
            until = min(until, self._retry_at)
        if self._parked:
            until = min(until, now + POLL_S)
            for request in self._parked:
                if request.due is not None:
                    until = min(until, now + request.due - request.now())
        with self._lock:
            if self._queue or self._is_stopping:
                return
            self._is_asleep = True
        self._alarm.wait(self._bell, max(0.0, until - now))
        with self._lock:
            self._is_asleep = False
        if not self._parked:
            return
        if self._database.has_changed():
            self._heat()

    def _heat(self) -> None:
        for request in self._parked:
            request.is_hot = True
