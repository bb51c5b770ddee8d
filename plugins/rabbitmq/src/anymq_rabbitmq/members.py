"""Roll call: the members of a group by key hear of each other, so that all get partitions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence

from pamqp.common import FieldTable

from anymq.errors import AnyMQError
from anymq.outcome import CONFIRMED, SendResult
from anymq.support.ids import new_id
from anymq_rabbitmq.background import Background
from anymq_rabbitmq.confirms import Parcel
from anymq_rabbitmq.data_channel import DataChannel
from anymq_rabbitmq.intake import Intake
from anymq_rabbitmq.layout import MEMBERS
from anymq_rabbitmq.properties import Properties
from anymq_rabbitmq.publisher import Publisher

__all__ = ["RollCall"]

_EVERY_S = 5.0
_PARTING_S = 0.5
_FORGET_S = 16.0
"""A member that was not heard of so long is gone: more than three of its calls."""


class RollCall:
    """Who is there, in the order of their coming. Being wrong for a while costs balance only:
    that a partition has one consumer at a time is the server's doing."""

    def __init__(
        self,
        intake_of: Callable[..., Intake],
        publisher: Publisher,
        group: str,
        *,
        came: float,
        on_change: Callable[[Sequence[str]], Awaitable[None]],
        timeout_s: float,
    ) -> None:
        """``came`` decides the place in the order; ``on_change`` hears of all members, and
        returns when room was made for those that came."""
        self.id = f"{came:020.6f}-{new_id()}"
        self._publisher = publisher
        self._group = group
        self._on_change = on_change
        self._timeout_s = timeout_s
        self._heard: dict[str, float] = {}
        self._answered = asyncio.Event()
        self._intake = intake_of(self._consume, _nothing)
        self._background = Background()

    async def open(self) -> None:
        """Begin to listen, and ask who is there."""
        await self._intake.open()
        await self._background.open()
        self._background.start(self._listen(), name="rabbitmq members", on_failure=_ignore)

    async def wait_for(self, count: int, *, limit_s: float) -> None:
        """Wait until so many others have answered, which they do once they have made room."""
        try:
            async with asyncio.timeout(limit_s):
                while len(self._heard) < count:
                    self._answered.clear()
                    await self._answered.wait()
        except TimeoutError:
            pass  # one that is slow, or dead: it is made up for later

    async def aclose(self) -> None:
        """Say good-bye."""
        await self._background.aclose()
        await self._intake.aclose()
        await self._say("gone", limit_s=_PARTING_S)

    async def _consume(self, channel: DataChannel) -> Sequence[str]:
        queue = f"anymq.member.{new_id()}"
        expiry: FieldTable = {"x-max-length": 1000}
        await channel.client.queue_declare(queue, exclusive=True, arguments=expiry)
        await channel.client.queue_bind(queue, MEMBERS, self._group)
        tag = await channel.consume(queue, no_ack=True)
        await self._say("who")
        return [tag]

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        next_at = loop.time() + _EVERY_S
        while True:
            await self._intake.wait(lambda: bool(self._intake.arrived), next_at - loop.time())
            arrived = self._intake.arrived
            is_changed, is_asked = self._forget_silent(loop.time()), False
            while arrived:
                who, kind = _parse(arrived.popleft().body)
                if who == self.id or not who:
                    continue
                is_changed |= kind in ("who", "gone") or who not in self._heard
                is_asked |= kind == "who"
                if kind == "gone":
                    self._heard.pop(who, None)
                else:
                    self._heard[who] = loop.time()
            if is_changed:
                await self._on_change(sorted([self.id, *self._heard]))
                self._answered.set()
            if is_asked or loop.time() >= next_at:
                next_at = loop.time() + _EVERY_S
                await self._say("here")

    def _forget_silent(self, now: float) -> bool:
        silent = [who for who, at in self._heard.items() if now - at > _FORGET_S]
        for who in silent:
            del self._heard[who]
        return bool(silent)

    async def _say(self, kind: str, *, limit_s: float | None = None) -> None:
        body = json.dumps({"id": self.id, "kind": kind}).encode()
        properties = Properties(content_type="application/json", message_id=new_id())

        async def prepare() -> list[Parcel | SendResult]:
            return [Parcel(MEMBERS, self._group, properties, body, CONFIRMED)]

        try:
            await self._publisher.publish(prepare, count=1, timeout_s=limit_s or self._timeout_s)
        except AnyMQError:
            pass  # the next call comes soon


def _parse(body: bytes) -> tuple[str, str]:
    try:
        told = json.loads(body)
        return str(told["id"]), str(told["kind"])
    except (ValueError, KeyError, TypeError):
        return "", ""  # written by somebody else


def _nothing() -> None:
    """The intake opens itself again, and asks again."""


def _ignore(_error: Exception) -> None:
    """Without a roll call members keep the partitions they have."""
