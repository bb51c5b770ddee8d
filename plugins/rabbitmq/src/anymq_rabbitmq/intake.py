"""A consuming channel that is opened again after every loss, and what has arrived on it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from anymq.errors import AnyMQError, BackendUnavailable, TopologyError
from anymq.support.backoff import Backoff
from anymq_rabbitmq.arrival import Arrival
from anymq_rabbitmq.background import Background
from anymq_rabbitmq.data_channel import DataChannel, nack
from anymq_rabbitmq.errors import translated
from anymq_rabbitmq.link import Link

__all__ = ["Consume", "Intake"]

Consume = Callable[[DataChannel], Awaitable[Sequence[str]]]
"""Starts the consumers on a fresh channel and returns their tags."""

_MISSING_GRACE_S = 10.0
"""How long a queue may be missing before the consumer gives up loudly: after a restart the server
opens its port before all its queues are up."""
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0


class Intake:
    """One channel for one consumer. Bounded by the prefetch that ``consume`` sets."""

    def __init__(
        self,
        link: Link,
        consume: Consume,
        *,
        on_gone: Callable[[], None],
        repair: Callable[[], Awaitable[bool]],
        timeout_s: float,
        is_consuming: bool = True,
        news: asyncio.Event | None = None,
    ) -> None:
        """``news``: set whenever something changes, for who waits on several intakes."""
        self.arrived: deque[Arrival] = deque()
        """What the server sent and nobody took yet, oldest first."""
        self.channel: DataChannel | None = None
        """None while it is being opened again: every delivery of before is stale."""
        self.failure: AnyMQError | None = None
        """Set once, when consuming cannot go on."""
        self._link = link
        self._consume = consume
        self._on_gone = on_gone
        self._repair = repair
        self._timeout_s = timeout_s
        self._tags: list[str] = []
        self._feeding: DataChannel | None = None
        """The channel whose messages count; before it is known to consume, too."""
        self.is_consuming = is_consuming
        """Whether a consumer is wanted at present."""
        self._is_closed = False
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._changed = news or asyncio.Event()
        self._background = Background()

    @property
    def has_consumers(self) -> bool:
        """Whether the server counts consumers of this channel."""
        return bool(self._tags)

    async def open(self) -> None:
        """Begin to consume, and keep at it. Raises what makes it impossible the first time."""
        await self._begin()
        await self._background.open()
        self._background.start(self._keep_at_it(), name="rabbitmq intake", on_failure=self._fail)

    async def wait(self, is_ready: Callable[[], bool], wait_s: float) -> None:
        """Return once ``is_ready()``, which is asked after each change, or after ``wait_s``."""
        try:
            async with asyncio.timeout(wait_s):
                while not is_ready():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass

    def begin_again(self) -> None:
        """Give everything back and consume on another channel, behind all other consumers."""
        if self.channel is not None:
            _resolve(self._gone)

    def wake(self) -> None:
        """Have those who wait look again."""
        self._changed.set()

    async def halt(self) -> None:
        """Cancel the consumers and give back what waits here; the channel goes on. Idempotent."""
        self.is_consuming = False
        self.wake()
        channel, tags, self._tags = self.channel, self._tags, []
        if channel is None:
            return
        with translated("cancelling a consumer"):
            async with asyncio.timeout(self._timeout_s):
                for tag in tags:
                    await channel.client.basic_cancel(tag)
                self._give_back(channel)

    async def go_on(self) -> None:
        """Consume again after ``halt``. Idempotent. Fails: it is tried again on a new channel."""
        if self.is_consuming:
            return
        self.is_consuming = True
        if self.channel is None:
            return
        is_begun = False
        try:
            with translated("consuming again"):
                async with asyncio.timeout(self._timeout_s):
                    self._tags = list(await self._consume(self.channel))
            is_begun = True
        finally:
            if not is_begun:
                _resolve(self._gone)

    async def aclose(self) -> None:
        """Close the channel: the server takes back everything unsettled. Idempotent."""
        self._is_closed = True
        self.is_consuming = False
        await self._background.aclose()
        channel, self.channel = self.channel, None
        self.arrived.clear()
        self.wake()
        if channel is not None and not channel.is_closed:
            with translated("closing a consumer"):
                await channel.close()

    async def _begin(self) -> None:
        channel = await self._link.data_channel(timeout_s=self._timeout_s)
        self._feeding = channel
        channel.tap(_Feed(self, channel))
        # Listened to from the start: a server that has just come up may take a consumer and
        # cancel it at once, while the next one is being started.
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        channel.closing.add_done_callback(lambda _: _resolve(gone))
        channel.client.on_consumer_cancel_callbacks.add(lambda _: _resolve(gone))
        is_begun, is_wanted = False, self.is_consuming
        try:
            with translated("consuming"):
                async with asyncio.timeout(self._timeout_s):
                    tags = await self._consume(channel)
            is_begun = True
        finally:
            if not is_begun and not channel.is_closed:
                await channel.close()
        self._tags = list(tags)
        self._gone = gone
        self.channel = channel
        if self.is_consuming is not is_wanted:
            _resolve(gone)  # told to halt or to go on meanwhile: what was begun is not what it is

    async def _keep_at_it(self) -> None:
        # The flag too: a cancellation that meets a finished wait_for inside the client library is
        # swallowed there by Python 3.11.
        while not self._is_closed:
            await self._gone
            await self._let_go()
            await self._begin_again()
            self.wake()

    async def _let_go(self) -> None:
        channel, self.channel = self.channel, None
        self._feeding = None
        self._tags = []
        self.arrived.clear()
        self._on_gone()
        if channel is not None and not channel.is_closed:  # its queue was deleted
            with translated("closing a consumer"):
                async with asyncio.timeout(self._timeout_s):
                    await channel.close()

    async def _begin_again(self) -> None:
        loop = asyncio.get_running_loop()
        backoff = Backoff(first_s=_FIRST_PAUSE_S, max_s=_LONGEST_PAUSE_S)
        give_up_at: float | None = None
        while not self._is_closed:
            try:
                await self._begin()
                return
            except BackendUnavailable:
                give_up_at = None
            except TopologyError:
                if give_up_at is None:
                    give_up_at = loop.time() + _MISSING_GRACE_S
                if not await self._repair() and loop.time() > give_up_at:
                    raise
            await asyncio.sleep(backoff.next_s())

    def take(self, arrival: Arrival, channel: DataChannel) -> None:
        """Keep what arrived on a channel, or send it back where nobody wants it."""
        if self._is_closed or channel is not self._feeding or channel.is_closed:
            return  # the server has it back, or will: closing the channel returns it
        if not self.is_consuming:
            channel.settle([nack(arrival.delivery_tag)])
            return
        arrival.channel = channel
        self.arrived.append(arrival)
        self._changed.set()

    def _give_back(self, channel: DataChannel) -> None:
        tags = [arrival.delivery_tag for arrival in self.arrived]
        self.arrived.clear()
        if tags:
            channel.settle(map(nack, tags))

    def _fail(self, error: Exception) -> None:
        self.failure = (
            error if isinstance(error, AnyMQError) else BackendUnavailable(f"consuming: {error!r}")
        )
        self.wake()


class _Feed:
    """What arrives on one channel of an intake."""

    def __init__(self, intake: Intake, channel: DataChannel) -> None:
        self._intake = intake
        self._channel = channel

    def delivered(self, arrival: Arrival) -> None:
        self._intake.take(arrival, self._channel)

    def returned(self, arrival: Arrival) -> None:
        """Nothing is published here."""

    def confirmed(self, tag: int, *, multiple: bool, is_taken: bool) -> None:
        """Nothing is published here."""


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
