"""Reconnector: one owner of a connection's state, that makes it again whenever it is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from anymq.errors import AnyMQError, BackendUnavailable
from anymq.support.backoff import Backoff
from anymq.support.clock import Clock, SystemClock

__all__ = ["Reconnector"]

ConnectionT = TypeVar("ConnectionT")

STABLE_S = 5.0
"""A connection that lived less is not made again at once: something ends it whenever it is made."""


class Reconnector(Generic[ConnectionT]):
    """Runs as one task. Reconnecting has no end; only an error that is not transient ends it."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[ConnectionT]],
        until_lost: Callable[[ConnectionT], Awaitable[str]],
        *,
        on_lost: Callable[[str], None],
        on_recovered: Callable[[ConnectionT], Awaitable[None]],
        backoff: Backoff | None = None,
        clock: Clock | None = None,
    ) -> None:
        """``connect`` makes a connection, bounded, mapping errors to ``anymq.errors``;
        ``until_lost`` waits until one is lost and gives the reason; ``on_recovered`` restores on a
        new one what the old one had (topology, consumers): when it fails, the next is made.
        """
        self._connect = connect
        self._until_lost = until_lost
        self._on_lost = on_lost
        self._on_recovered = on_recovered
        self._backoff = backoff or Backoff(first_s=0.2, max_s=30.0)
        self._clock = clock or SystemClock()

    async def run(self, connection: ConnectionT) -> None:
        """Keep a connection up, from one that is, until cancelled.

        Raises what ``connect`` or ``on_recovered`` raised if it is not transient (AccessDenied,
        TopologyError …): trying again would not help.
        """
        while True:
            made_at = self._clock.monotonic()
            reason = await self._until_lost(connection)
            self._on_lost(reason)
            if self._clock.monotonic() - made_at > STABLE_S:
                self._backoff.reset()
            connection = await self._again()

    async def _again(self) -> ConnectionT:
        while True:
            if self._backoff.attempts:
                await self._clock.sleep(self._backoff.next_s())
            else:
                # The first attempt follows at once: most losses heal with it.
                self._backoff.next_s()
            try:
                connection = await self._connect()
                await self._on_recovered(connection)
            except BackendUnavailable:
                continue
            except AnyMQError as error:
                if error.error_class != "transient":
                    raise
            else:
                return connection
