"""AppTest: an application on a private memory space, with a clock to move and a record of sends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from anymq.abc import Management
from anymq.config import Settings
from anymq.memory.space import space_named
from anymq.message import Message
from anymq.support.ids import new_id
from anymq.testing.fake_clock import FakeClock
from anymq.urls import parse_url

if TYPE_CHECKING:
    from anymq.app import App

__all__ = ["AppTest"]

TURNS = 1000
PAUSE_S = 0.001


class AppTest:
    """``async with app.test() as t``: the App runs unchanged on ``memory://`` and a FakeClock."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.clock = FakeClock()
        self.published: list[Message] = []
        """Every message the application sent, in order, encoded; retries and dead letters too."""
        self._space = f"test-{new_id()}"

    async def __aenter__(self) -> Self:
        parts = self.app._parts
        self._before = (parts.url, parts.settings, parts.clock)
        parts.url = None
        url = parse_url(f"memory://{self._space}")
        parts.settings = Settings(url=url, grace_s=0.0, **self._kept(parts.settings))
        parts.clock = self.clock
        await self.app.start()
        self._record()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.app.close(grace_s=0.0)
        parts = self.app._parts
        parts.url, parts.settings, parts.clock = self._before

    async def advance(self, seconds: float) -> None:
        """Let time pass: delays end, retries come, leases run out."""
        await self.clock.advance(seconds)

    async def settle(self, *, limit_s: float = 5.0) -> None:
        """Wait until nothing is ready, running or unsettled.

        Raises TimeoutError if it is not within ``limit_s`` real seconds: a handler waits for ever,
        or for time that only ``advance`` lets pass.
        """
        until = monotonic() + limit_s
        turn = 0
        while True:
            # At first only turns of the loop; then a thread or a real wait may be at work.
            await asyncio.sleep(0 if turn < TURNS else PAUSE_S)
            turn += 1
            if not self._is_busy():
                return
            if monotonic() > until:
                raise TimeoutError(
                    "the application is still busy: does a handler wait for ever, or for time to"
                    " pass (advance)?"
                )

    def management(self) -> Management:
        """The operator's view: groups, depths, dead letters."""
        return self.app._lifecycle.engine.broker.management()

    def _is_busy(self) -> bool:
        space = space_named(self._space)
        with space.lock:
            groups = [group for _, group in space.wildcards]
            for topic in space.topics.values():
                groups += [*topic.groups.values(), *topic.anonymous]
            if any(group.waiting or group.in_flight for group in groups):
                return True
        return any(consumer.is_handling for consumer in self.app.consumers.values())

    def _record(self) -> None:
        broker: Any = self.app._lifecycle.engine.broker
        send = broker.send

        async def recording(messages: Sequence[Message], **options: Any) -> Any:
            self.published.extend(messages)
            return await send(messages, **options)

        broker.send = recording

    def _kept(self, settings: Settings | None) -> dict[str, Any]:
        if settings is None:
            return {}
        names = ("codec", "cloudevents", "encryption", "signing", "subscribers")
        return {name: getattr(settings, name) for name in names}
