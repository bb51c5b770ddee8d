"""AppTest: an application on a private memory space, with a clock to move and a record of sends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from anymq.abc import Management
from anymq.config import Settings
from anymq.message import Message
from anymq.support.ids import new_id
from anymq.testing.fake_clock import FakeClock
from anymq.urls import parse_url

if TYPE_CHECKING:
    from anymq.app import App

__all__ = ["AppTest"]

TURN_LIMIT = 10_000


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

    async def settle(self) -> None:
        """Wait until nothing is ready, running or unsettled. Raises TimeoutError if it never is."""
        for _ in range(TURN_LIMIT):
            await asyncio.sleep(0)
            if not await self._is_busy():
                return
        raise TimeoutError("the application is still busy: does a handler wait for ever?")

    def management(self) -> Management:
        """The operator's view: groups, depths, dead letters."""
        return self.app._lifecycle.engine.broker.management()

    async def _is_busy(self) -> bool:
        groups = await self.management().groups()
        return any(group.ready or group.in_flight for group in groups)

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
