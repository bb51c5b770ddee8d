"""One member of some groups: claims, keeps leases, settles."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from anymq.abc import Subscription
from anymq.abc.broker import OnLost
from anymq.errors import AnyMQError, ClosedError
from anymq.message import Delivery
from anymq.outcome import (
    STALE,
    Retry,
    Settlement,
    SettleResult,
    SettleUnknown,
)
from anymq.support.clock import Clock
from anymq_sqlite import settling
from anymq_sqlite.claiming import GONE, Claim
from anymq_sqlite.holdings import Holdings
from anymq_sqlite.membership import Membership
from anymq_sqlite.request import Request
from anymq_sqlite.rows import Row
from anymq_sqlite.session import Session
from anymq_sqlite.settling import Item

__all__ = ["SqliteSubscription"]

LEAST_WAIT_S = 1.0
"""A claim that must not wait for messages may still have to wait for another process."""


class SqliteSubscription(Subscription):
    """Reads through the writer's thread; what it holds has a lease each, watched on the loop."""

    def __init__(
        self,
        membership: Membership,
        *,
        prefetch: int,
        clock: Clock,
        on_lost: OnLost,
        on_close: Callable[[SqliteSubscription], None],
    ) -> None:
        self._membership = membership
        self._store = membership.store
        self._prefetch = prefetch
        self._clock = clock
        self._on_close = on_close
        self._claim = Claim(membership.joined.gids, clock)
        self._claim.member = membership.joined.member
        self._holdings = Holdings(membership.lease_s, clock, on_lost, self._give_back)
        self._pending: tuple[Request[list[Row]], asyncio.Future[list[Row] | None]] | None = None
        self._changed = asyncio.Event()
        self._paused = self._stopped = self._closed = False
        membership.on_gone = self._gone

    async def receive(self, *, max_messages: int, wait_s: float) -> Sequence[Delivery]:
        deadline = self._clock.monotonic() + wait_s
        while True:
            if self._closed:
                raise ClosedError("this subscription is closed")
            if self._stopped:
                return []
            self._changed.clear()
            rest = deadline - self._clock.monotonic()
            room = min(max_messages, self._prefetch - len(self._holdings))
            if room > 0 and not self._paused:
                rows = await self._take(room, rest)
                if rows is GONE and rows is not None:
                    await self._membership.renew(self._claim)
                    continue
                if rows:
                    return self._holdings.hold(rows, self._membership)
            elif rest > 0:
                await self._wait(rest)
            if self._clock.monotonic() >= deadline:
                return []

    async def settle(
        self, items: Sequence[Settlement], *, timeout_s: float
    ) -> Sequence[SettleResult]:
        now = self._clock.time()
        taken = [self._holdings.take(item.delivery) for item in items]
        wanted = [
            _item(settlement, held.seq, held.gid, now)
            for settlement, held in zip(items, taken, strict=True)
            if held is not None
        ]
        if not wanted:
            return [STALE] * len(items)
        member = self._claim.member

        def work(session: Session) -> list[SettleResult]:
            return settling.settle(session, member, wanted)

        done: Sequence[SettleResult] = ()
        try:
            done = await self._store.run(work, timeout_s=timeout_s)
        except AnyMQError as error:
            done = [SettleUnknown(str(error))] * len(wanted)
        finally:
            if len(done) != len(wanted) or any(isinstance(r, SettleUnknown) for r in done):
                # What was not settled must go back when its lease ends, if we still live then.
                self._holdings.put_back([held for held in taken if held is not None])
        self._changed.set()
        answers = iter(done)
        return [STALE if held is None else next(answers) for held in taken]

    async def keep(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        return self._holdings.keep(deliveries)

    async def pause(self) -> None:
        self._paused = True
        self._cancel_claim()

    async def resume(self) -> None:
        self._paused = False
        self._changed.set()

    async def stop(self) -> None:
        self._stopped = True
        self._cancel_claim()
        self._changed.set()

    async def aclose(self, *, timeout_s: float) -> None:
        if self._closed:
            return
        self._end()
        try:
            await self._membership.leave(timeout_s=timeout_s)
        except AnyMQError:
            pass  # the file cannot be written: others inherit when this process gives no more signs
        finally:
            self._on_close(self)

    def abandon(self) -> None:
        """Vanish as a killed process does: nothing settled, all of it comes again, counted."""
        if not self._closed:
            self._end()
            self._membership.abandon()
            self._on_close(self)

    @property
    def member(self) -> int:
        """Its id in the file."""
        return self._claim.member

    def _end(self) -> None:
        self._closed = self._stopped = True
        self._cancel_claim()
        self._changed.set()
        self._holdings.close()

    async def _take(self, room: int, rest_s: float) -> list[Row] | None:
        """Claim up to ``room`` rows, waiting for some; None for none."""
        future: asyncio.Future[list[Row] | None] = asyncio.get_running_loop().create_future()
        claim = self._claim

        def done(rows: list[Row] | None, failure: AnyMQError | None) -> None:
            self._store.call(self._taken, request, future, rows, failure)

        request = Request(
            lambda session: claim.take(session, room),
            on_done=done,
            is_durable=False,  # if power fails, so did whoever claimed
            waits=rest_s > 0,
            keys=frozenset(claim.gids),
            may_have=claim.may_have,
            now=self._clock.time,
        )
        self._pending = request, future
        timer = self._clock.call_later(rest_s if rest_s > 0 else LEAST_WAIT_S, self._cancel_claim)
        try:
            self._store.submit(request)
            return await future
        finally:
            timer.cancel()
            self._pending = None
            request.is_cancelled = True
            if future.done() and not future.cancelled() and _is_cancelling():
                self._undo(future)

    def _taken(
        self,
        request: Request[list[Row]],
        future: asyncio.Future[list[Row] | None],
        rows: list[Row] | None,
        failure: AnyMQError | None,
    ) -> None:
        if future.done():
            if rows:
                self._take_back(rows)
        elif failure is not None:
            future.set_exception(failure)
        else:
            future.set_result(rows)

    def _undo(self, future: asyncio.Future[list[Row] | None]) -> None:
        """The claim came just as its receive was cancelled."""
        if future.exception() is None:
            rows = future.result()
            if rows:
                self._take_back(rows)

    def _take_back(self, rows: Sequence[Row]) -> None:
        if self._closed:
            return  # leaving gave it back, or an inheritor does
        member, seqs = self._claim.member, [row[0] for row in rows]
        self._submit(lambda session: settling.undo(session, member, seqs))

    def _give_back(self, seqs: Sequence[int]) -> None:
        """Deliveries whose lease ended go to the others."""
        member = self._claim.member
        self._submit(lambda session: settling.give_back(session, member, seqs))
        self._changed.set()

    def _submit(self, work: Callable[[Session], None]) -> None:
        try:
            self._store.submit(Request(work, on_done=_nothing, is_durable=False))
        except AnyMQError:
            pass  # closed meanwhile: leaving gave everything back

    def _cancel_claim(self) -> None:
        if self._pending is not None:
            request, future = self._pending
            request.is_cancelled = True
            if not future.done():
                future.set_result(None)

    async def _wait(self, rest_s: float) -> None:
        """Wait for room, a resumption or the end."""
        timer = self._clock.call_later(rest_s, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            timer.cancel()

    def _gone(self) -> None:
        """Others took this member for dead, and have what it held."""
        self._holdings.lose_all()
        self._changed.set()


def _item(settlement: Settlement, seq: int, gid: int, now: float) -> Item:
    outcome = settlement.outcome
    delay_s = (outcome.delay_s or 0.0) if isinstance(outcome, Retry) else 0.0
    message = settlement.message or settlement.delivery.message
    return Item(seq, gid, outcome, message, now + delay_s)


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _nothing(_value: object, _failure: object) -> None:
    """Nobody waits for it."""
