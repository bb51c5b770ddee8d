"""A connection is made again at once, then ever more slowly, and not at all when it is hopeless."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from anymq.errors import AccessDenied, BackendUnavailable
from anymq.support.backoff import Backoff
from anymq.support.reconnector import Reconnector
from anymq.testing import FakeClock

__all__: list[str] = []


class Server:
    """Accepts, refuses or denies connections, and can drop the one there is."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.moments: list[float] = []
        self.refusals = 0
        self.denied = False
        self.lost: list[str] = []
        self.recovered: list[int] = []
        self.drop: Callable[[], None] = lambda: None
        self.reconnector = Reconnector(
            self._connect,
            self._until_lost,
            on_lost=self.lost.append,
            on_recovered=self._recovered,
            backoff=Backoff(first_s=1, factor=2, max_s=4, jitter=0),
            clock=clock,
        )

    async def _connect(self) -> int:
        self.moments.append(self.clock.monotonic())
        if self.denied:
            raise AccessDenied("wrong password")
        if self.refusals:
            self.refusals -= 1
            raise BackendUnavailable("refused")
        return len(self.moments)

    async def _until_lost(self, connection: int) -> str:
        dropped = asyncio.Event()
        self.drop = dropped.set
        await dropped.wait()
        return f"connection {connection} dropped"

    async def _recovered(self, connection: int) -> None:
        self.recovered.append(connection)


async def test_a_lost_connection_is_made_again_at_once() -> None:
    """No pause before the first attempt, and both ends of the outage are told."""
    server = Server(clock := FakeClock())

    async with asyncio.TaskGroup() as group:
        task = group.create_task(server.reconnector.run(0))
        await clock.advance(0)
        server.drop()
        await clock.advance(0)
        task.cancel()

    assert server.lost == ["connection 0 dropped"]
    assert server.recovered == [1]
    assert server.moments == [0]


async def test_attempts_are_spaced_ever_wider() -> None:
    """At once, then 2 s, 4 s, and 4 s again, which is the longest."""
    server = Server(clock := FakeClock())
    server.refusals = 4

    async with asyncio.TaskGroup() as group:
        task = group.create_task(server.reconnector.run(0))
        await clock.advance(0)
        server.drop()
        await clock.advance(60)
        task.cancel()

    assert server.moments == [0, 2, 6, 10, 14]
    assert server.recovered == [5]


async def test_a_short_lived_connection_does_not_reset_the_pause() -> None:
    """Whatever ends it whenever it is made must not make us spin."""
    server = Server(clock := FakeClock())

    async with asyncio.TaskGroup() as group:
        task = group.create_task(server.reconnector.run(0))
        for _ in range(3):
            await clock.advance(0)
            server.drop()
            await clock.advance(4)
        task.cancel()

    gaps = [b - a for a, b in pairwise(server.moments)]
    assert min(gaps) >= 2


async def test_a_hopeless_error_ends_it() -> None:
    """Credentials that are refused do not become right by trying again."""
    server = Server(clock := FakeClock())
    server.denied = True

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(server.reconnector.run(0))
            await clock.advance(0)
            server.drop()
            await clock.advance(1)

    with pytest.raises(ExceptionGroup) as caught:
        await run()

    assert isinstance(caught.value.exceptions[0], AccessDenied)
    assert len(server.moments) == 1
