"""Traces and metrics through the OpenTelemetry API; nothing at all where nobody set them up.

Names and attributes follow the semantic conventions for messaging (v1.37): a span
``publish <topic>`` for sending, ``process <topic>`` for a handler, whose parent is the publish
span that travelled in ``traceparent``; a batch handler's span has links to them instead.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anymq.events import AppEvent
from anymq.message import EMPTY, Delivery, Message
from anymq.middleware.chain import Middleware
from anymq.portable.outgoing import Stamp

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from anymq.portable.outbound import Outbound

__all__ = ["AroundBatch", "Telemetry", "inject", "measured_batch"]

Around = Callable[[str, int], Any]
"""``with around(topic, count):`` measures one publish of so many messages."""

AroundBatch = Callable[[list[Delivery]], AbstractContextManager[None]]
"""``with around(deliveries):`` measures one call of a batch handler."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What an App adds to its pipeline for traces and metrics, decided once at start."""

    middleware: tuple[Middleware, ...] = ()
    stamps: tuple[Stamp, ...] = ()
    around: tuple[Around, ...] = ()
    listeners: tuple[Callable[[AppEvent], None], ...] = ()
    around_batch: tuple[AroundBatch, ...] = ()

    @classmethod
    def current(
        cls,
        system: str,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> Telemetry:
        """For these providers, else those that are set up now; empty when there are none."""
        if "opentelemetry" not in sys.modules:
            return cls()
        from opentelemetry import metrics, trace

        from anymq.middleware.metrics import Meters
        from anymq.middleware.tracing import Tracing

        traces = tracer_provider or trace.get_tracer_provider()
        measures = meter_provider or metrics.get_meter_provider()
        telemetry = cls()
        if type(measures).__name__ not in ("_ProxyMeterProvider", "NoOpMeterProvider"):
            meters = Meters(measures.get_meter("anymq"), system)
            telemetry = cls((meters,), (), (meters.sending,), (meters.heard,), (meters.batch,))
        if not isinstance(traces, trace.ProxyTracerProvider):
            tracing = Tracing(traces.get_tracer("anymq"), system)
            telemetry = cls(
                (tracing, *telemetry.middleware),
                (inject,),
                (tracing.sending, *telemetry.around),
                telemetry.listeners,
                (tracing.batch, *telemetry.around_batch),
            )
        return telemetry

    def watch(self, outgoing: Outbound) -> None:
        """Measure what is published."""
        for around in reversed(self.around):
            outgoing.send_one = _measured_one(outgoing.send_one, around)
            outgoing.send_many = _measured_many(outgoing.send_many, around)


def measured_batch(
    call: Callable[..., Awaitable[Any]], arounds: Sequence[AroundBatch]
) -> Callable[..., Awaitable[Any]]:
    """The call of a batch handler with everything that measures it; itself if nothing does."""
    for around in reversed(arounds):
        call = _measured_batch(call, around)
    return call


def inject(message: Message) -> Mapping[str, str]:
    """The trace context of whoever publishes, as ``traceparent`` and ``tracestate``."""
    from opentelemetry.propagate import inject as propagate

    carrier: dict[str, str] = {}
    propagate(carrier)
    return carrier or EMPTY


def _measured_one(
    send: Callable[..., Awaitable[str]], around: Around
) -> Callable[..., Awaitable[str]]:
    async def measured(topic: str, body: Any, /, *args: Any, **options: Any) -> str:
        with around(topic, 1):
            return await send(topic, body, *args, **options)

    return measured


def _measured_batch(
    call: Callable[..., Awaitable[Any]], around: AroundBatch
) -> Callable[..., Awaitable[Any]]:
    async def measured(values: list[Any], deliveries: list[Delivery]) -> Any:
        with around(deliveries):
            return await call(values, deliveries)

    return measured


def _measured_many(
    send: Callable[..., Awaitable[Any]], around: Around
) -> Callable[..., Awaitable[Any]]:
    async def measured(topic: str, bodies: Any, /, *args: Any, **options: Any) -> Any:
        listed = list(bodies)
        with around(topic, len(listed)):
            return await send(topic, listed, *args, **options)

    return measured
