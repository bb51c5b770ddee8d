"""Traces and metrics through the OpenTelemetry API; nothing at all where nobody set them up.

Names and attributes follow the semantic conventions for messaging (v1.37): a span
``publish <topic>`` for sending, ``process <topic>`` for a handler, whose parent is the publish
span that travelled in ``traceparent``.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anymq.events import AppEvent
from anymq.message import EMPTY, Message
from anymq.middleware.chain import Middleware
from anymq.portable.outgoing import Stamp

if TYPE_CHECKING:
    from anymq.portable.outbound import Outbound

__all__ = ["Telemetry", "inject"]

Around = Callable[[str, int], Any]
"""``with around(topic, count):`` measures one publish of so many messages."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What an App adds to its pipeline for traces and metrics, decided once at start."""

    middleware: tuple[Middleware, ...] = ()
    stamps: tuple[Stamp, ...] = ()
    around: tuple[Around, ...] = ()
    listeners: tuple[Callable[[AppEvent], None], ...] = ()

    @classmethod
    def current(cls, system: str) -> Telemetry:
        """For the providers that are set up now; empty when there are none."""
        if "opentelemetry" not in sys.modules:
            return cls()
        from opentelemetry import metrics, trace

        from anymq.middleware.metrics import Meters
        from anymq.middleware.tracing import Tracing

        has_traces = not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
        meter_provider = metrics.get_meter_provider()
        has_metrics = type(meter_provider).__name__ not in (
            "_ProxyMeterProvider",
            "NoOpMeterProvider",
        )
        telemetry = cls()
        if has_metrics:
            meters = Meters(metrics.get_meter("anymq"), system)
            telemetry = cls((meters,), (), (meters.sending,), (meters.heard,))
        if has_traces:
            tracing = Tracing(trace.get_tracer("anymq"), system)
            telemetry = cls(
                (tracing, *telemetry.middleware),
                (inject,),
                (tracing.sending, *telemetry.around),
                telemetry.listeners,
            )
        return telemetry

    def watch(self, outgoing: Outbound) -> None:
        """Measure what is published."""
        for around in reversed(self.around):
            outgoing.send_one = _measured_one(outgoing.send_one, around)
            outgoing.send_many = _measured_many(outgoing.send_many, around)


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


def _measured_many(
    send: Callable[..., Awaitable[Any]], around: Around
) -> Callable[..., Awaitable[Any]]:
    async def measured(topic: str, bodies: Any, /, *args: Any, **options: Any) -> Any:
        listed = list(bodies)
        with around(topic, len(listed)):
            return await send(topic, listed, *args, **options)

    return measured
