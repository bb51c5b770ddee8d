"""Publisher: many concurrent publishes become few sends.

Everything published in one turn of the loop leaves in one ``send`` (no timer: a lone publish
waits for nobody), at most four sends overlap, and what ended unknown is repeated with the same
ids until its time is up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal

from anymq.errors import BufferFull, ClosedError, PublishRejected, PublishUnknown
from anymq.message import Message
from anymq.outcome import Rejected, SendResult, Unknown
from anymq.portable.send_batch import Entry, SendBatch, Sends, repeat_until_known
from anymq.support.clock import Clock

__all__ = ["OnFull", "Publisher", "error_of"]

OnFull = Literal["wait", "fail"]
SENDS = 4
"""Sends in flight per publisher: enough to hide a round trip, few enough to keep batches large."""

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Publisher:
    """Sends the messages of one App through one Broker."""

    def __init__(
        self,
        broker: Sends,
        *,
        spawn: Spawn,
        clock: Clock,
        max_batch: int,
        window: int = 10_000,
        on_full: OnFull = "wait",
    ) -> None:
        self._broker = broker
        self._spawn = spawn
        self._clock = clock
        self._max_batch = max_batch
        self._window = window
        self._on_full = on_full
        self._open: SendBatch | None = None
        self._queue: deque[SendBatch] = deque()
        self._sends = 0
        self._outstanding = 0
        self._room: deque[asyncio.Future[None]] = deque()
        self._idle: asyncio.Future[None] | None = None
        self._closed = False

    async def publish(self, message: Message, timeout_s: float) -> None:
        """Return once the backend has it. Raises PublishRejected, PublishUnknown, BufferFull.

        Cancelling it takes the message back if it was not yet sent, else leaves it unknown.
        """
        if self._outstanding >= self._window:
            await self._wait_for_room(timeout_s)
        elif self._closed:
            raise ClosedError("this application is closed: nothing can be published")
        future: asyncio.Future[SendResult] = asyncio.get_running_loop().create_future()
        self._add(Entry(message, future, asyncio.get_running_loop().time() + timeout_s))
        result = await future
        if result.__class__ is Rejected or result.__class__ is Unknown:
            raise error_of(result, message)

    async def publish_many(
        self, messages: Sequence[Message], timeout_s: float, *, atomic: bool = False
    ) -> list[SendResult]:
        """Send all; one result each, in order. With ``atomic`` all are stored or none.

        What finds no room in the window in time is Rejected("full"), and hides nothing else.
        """
        if self._closed:
            raise ClosedError("this application is closed: nothing can be published")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        batches = []
        size = self._max_batch
        if atomic and len(messages) > size:
            return [_too_many(len(messages), size)] * len(messages)
        refused: list[SendResult] = []
        for begin in range(0, len(messages), size):
            try:
                while self._outstanding >= self._window:
                    await self._wait_for_room(deadline - loop.time())
            except (BufferFull, ClosedError) as error:
                refused = [Rejected("full", str(error))] * (len(messages) - begin)
                break
            part = messages[begin : begin + size]
            batch = SendBatch(list(part), deadline, atomic=atomic, whole=loop.create_future())
            self._enqueue(batch, len(part))
            batches.append(batch)
        results: list[SendResult] = []
        for batch in batches:
            if batch.whole is not None:
                results += await batch.whole
        return results + refused

    async def send_now(self, messages: Sequence[Message], timeout_s: float) -> list[SendResult]:
        """Send private copies beside the window: settling must not wait for publishers, nor end
        with them when the App closes."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        results: list[SendResult] = []
        for begin in range(0, len(messages), self._max_batch):
            part = list(messages[begin : begin + self._max_batch])
            batch = SendBatch(
                part, deadline, atomic=False, whole=asyncio.get_running_loop().create_future()
            )
            await repeat_until_known(batch, self._broker, self._clock)
            results += batch.results
        return results

    async def flush(self) -> None:
        """Wait until everything accepted so far has its result."""
        while self._outstanding:
            if self._idle is None or self._idle.done():
                self._idle = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._idle)

    def close(self) -> None:
        """Accept nothing more; what was accepted still leaves."""
        self._closed = True

    def reopen(self) -> None:
        """Accept again (after stop and start)."""
        self._closed = False

    def _add(self, entry: Entry) -> None:
        batch = self._open
        if batch is None or len(batch.messages) >= self._max_batch:
            batch = self._open = SendBatch([], entry.deadline, atomic=False, entries=[])
            self._wait_for_turn(batch)
        batch.add(entry)
        self._outstanding += 1

    def _enqueue(self, batch: SendBatch, size: int) -> None:
        self._open = None
        self._outstanding += size
        self._wait_for_turn(batch)

    def _wait_for_turn(self, batch: SendBatch) -> None:
        self._queue.append(batch)
        if len(self._queue) == 1:
            asyncio.get_running_loop().call_soon(self._start)
        elif self._sends >= SENDS:
            batch.expire_later(self._expire)

    def _start(self) -> None:
        """Begin as many sends as may overlap; the rest begins when one ends."""
        while self._queue and self._sends < SENDS:
            batch = self._queue.popleft()
            if batch is self._open:
                self._open = None
            self._sends += 1
            work = self._send(batch)
            try:
                self._spawn(work)
            except RuntimeError:  # whoever runs our sends has ended
                work.close()
                self._sends -= 1
                batch.refuse(Rejected("full", "the application was closed before it was sent"))
                self._leave(len(batch.messages))
        for batch in reversed(self._queue):
            if batch.is_watched:
                break
            batch.expire_later(self._expire)

    async def _send(self, batch: SendBatch) -> None:
        taken = len(batch.messages)
        try:
            batch.begin()
            if batch.messages:
                await repeat_until_known(batch, self._broker, self._clock)
        finally:
            batch.abandon("the application was closed before the backend answered")
            self._sends -= 1
            self._leave(taken)
            self._start()

    def _expire(self) -> None:
        """Publishes that could not even begin in time: certainly not stored."""
        now = asyncio.get_running_loop().time()
        late = Rejected("full", "the backend took nothing before the time was up")
        for batch in [batch for batch in self._queue if batch.deadline <= now]:
            size = len(batch.messages)
            gone = batch.refuse_late(now, late)
            if gone < size:
                batch.expire_later(self._expire)
            else:
                self._queue.remove(batch)
                if batch is self._open:
                    self._open = None
            self._leave(gone)

    def _leave(self, size: int) -> None:
        self._outstanding -= size
        room = self._window - self._outstanding
        while self._room and room > 0:
            waiter = self._room.popleft()
            if not waiter.done():
                waiter.set_result(None)
                room -= 1
        if not self._outstanding and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    async def _wait_for_room(self, timeout_s: float) -> None:
        if self._closed:
            raise ClosedError("this application is closed: nothing can be published")
        full = f"{self._outstanding} messages wait for the backend already (publish_window)"
        if self._on_full == "fail":
            raise BufferFull(full)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._room.append(waiter)
        has_room = False
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
            has_room = True
        except TimeoutError:
            raise BufferFull(f"{full}, and none left within {timeout_s:.3g} s") from None
        finally:
            if not has_room:
                self._leave(0)  # who was woken for nothing passes its room on


def _too_many(size: int, max_batch: int) -> Rejected:
    return Rejected("too_large", f"{size} messages are no atomic batch here: at most {max_batch}")


def error_of(result: SendResult, message: Message) -> Exception:
    """The exception for a result that is not Confirmed."""
    if isinstance(result, Rejected):
        text = result.reason or f"the backend rejected the message ({result.code})"
        return BufferFull(text) if result.code == "full" else PublishRejected(result.code, text)
    reason = result.reason if isinstance(result, Unknown) else "no answer"
    return PublishUnknown(
        message.id,
        f"message {message.id} for {message.topic!r} may or may not be stored: {reason};"
        " publish it again with the same message_id if it must be",
    )
