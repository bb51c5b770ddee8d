"""Collector: a subscriber that remembers what it got, and leaves strays out."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from anymq.message import Delivery

__all__ = ["Collector", "Seen"]

Behaviour = Callable[[Any, Delivery], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Seen:
    """One call of the handler."""

    value: Any
    id: str
    key: str | None
    attempt: int
    delivery_count: int | None
    redelivered: bool
    headers: dict[str, str]
    topic: str
    at: float
    """Monotonic seconds."""
    delivery: Delivery


class Collector:
    """Counts calls of its handler; ``behaviour`` decides what the handler does besides."""

    def __init__(self, run_id: str, behaviour: Behaviour | None = None) -> None:
        self._run_id = run_id
        self._behaviour = behaviour
        self.seen: list[Seen] = []
        self.strays = 0
        self.running = 0
        self.peak = 0
        """Most handlers at once."""
        self._changed = asyncio.Event()

    async def handle(self, body: Any, delivery: Delivery) -> Any:
        """The handler itself."""
        if not isinstance(body, dict) or body.get("run") != self._run_id:
            self.strays += 1
            return None
        self.seen.append(
            Seen(
                body.get("v"),
                delivery.id,
                delivery.key,
                delivery.attempt,
                delivery.delivery_count,
                delivery.redelivered,
                delivery.headers,
                delivery.topic,
                time.monotonic(),
                delivery,
            )
        )
        self._changed.set()
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            return (
                None if self._behaviour is None else await self._behaviour(body.get("v"), delivery)
            )
        finally:
            self.running -= 1
            self._changed.set()

    @property
    def values(self) -> list[Any]:
        """What was seen, in order, repetitions included."""
        return [seen.value for seen in self.seen]

    @property
    def counts(self) -> Counter[Any]:
        """How often each value was seen."""
        return Counter(self.values)

    async def until(self, condition: Callable[[], bool], limit_s: float) -> bool:
        """Wait until the condition holds; False when the time was up."""
        try:
            async with asyncio.timeout(limit_s):
                while not condition():
                    self._changed.clear()
                    if not condition():
                        await self._changed.wait()
        except TimeoutError:
            return condition()
        return True
