"""Counters and durations of messages sent and handled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from opentelemetry.metrics import Meter

from anymq.events import AppEvent, SettlementLost
from anymq.message import Delivery
from anymq.middleware.chain import Call
from anymq.outcome import Outcome

__all__ = ["Meters"]


class Meters:
    """Middleware, publish wrapper and event listener over one set of instruments."""

    def __init__(self, meter: Meter, system: str) -> None:
        self._system = system
        self._sent = meter.create_counter(
            "messaging.client.sent.messages", "{message}", "Messages given to the backend"
        )
        self._consumed = meter.create_counter(
            "messaging.client.consumed.messages", "{message}", "Messages given to handlers"
        )
        self._sending = meter.create_histogram(
            "messaging.client.operation.duration", "s", "How long publishing took"
        )
        self._processing = meter.create_histogram(
            "messaging.process.duration", "s", "How long handlers took"
        )
        self._stale = meter.create_counter(
            "anymq.settlements.stale", "{settlement}", "Settlements that came too late"
        )

    async def __call__(self, delivery: Delivery, call_next: Call) -> Outcome:
        attributes = self._attributes(delivery.topic, "process")
        if delivery.group is not None:
            attributes["messaging.consumer.group.name"] = delivery.group
        began = perf_counter()
        try:
            return await call_next(delivery)
        except Exception as error:
            attributes["error.type"] = type(error).__qualname__
            raise
        finally:
            self._consumed.add(1, attributes)
            self._processing.record(perf_counter() - began, attributes)

    @contextmanager
    def batch(self, deliveries: list[Delivery]) -> Iterator[None]:
        """Measure one call of a batch handler: every member counts, the call has one duration."""
        attributes = self._attributes(deliveries[0].topic, "process")
        if deliveries[0].group is not None:
            attributes["messaging.consumer.group.name"] = deliveries[0].group
        count, began = len(deliveries), perf_counter()
        try:
            yield
        except Exception as error:
            attributes["error.type"] = type(error).__qualname__
            raise
        finally:
            self._consumed.add(count, attributes)
            self._processing.record(perf_counter() - began, attributes)

    @contextmanager
    def sending(self, topic: str, count: int) -> Iterator[None]:
        """Measure one publish of so many messages."""
        attributes = self._attributes(topic, "publish")
        began = perf_counter()
        try:
            yield
        except Exception as error:
            attributes["error.type"] = type(error).__qualname__
            raise
        finally:
            self._sent.add(count, attributes)
            self._sending.record(perf_counter() - began, attributes)

    def heard(self, event: AppEvent) -> None:
        """Count the events that are metrics."""
        if isinstance(event, SettlementLost):
            self._stale.add(1, self._attributes(event.topic, "settle"))

    def _attributes(self, topic: str, operation: str) -> dict[str, str]:
        return {
            "messaging.system": self._system,
            "messaging.destination.name": topic,
            "messaging.operation.name": operation,
        }
