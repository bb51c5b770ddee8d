"""A span for every publish and every handler, connected by ``traceparent``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagate import extract

from anymq.message import Delivery
from anymq.middleware.chain import Call
from anymq.outcome import Ack, Outcome

__all__ = ["Tracing"]


class Tracing:
    """Middleware and publish wrapper in one: both sides of a message's trace."""

    def __init__(self, tracer: trace.Tracer, system: str) -> None:
        self._tracer = tracer
        self._system = system

    async def __call__(self, delivery: Delivery, call_next: Call) -> Outcome:
        parent = extract(delivery.message.meta, Context())
        attributes: dict[str, str | int] = {
            "messaging.system": self._system,
            "messaging.destination.name": delivery.topic,
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.message.id": delivery.id,
            "messaging.message.conversation_id": delivery.correlation_id,
            "messaging.message.body.size": len(delivery.body),
            "anymq.attempt": delivery.attempt,
        }
        if delivery.group is not None:
            attributes["messaging.consumer.group.name"] = delivery.group
        with self._tracer.start_as_current_span(
            f"process {delivery.topic}",
            context=parent,
            kind=trace.SpanKind.CONSUMER,
            attributes=attributes,
        ) as span:
            try:
                outcome = await call_next(delivery)
            except Exception as error:
                span.set_attribute("error.type", type(error).__qualname__)
                raise
            if not isinstance(outcome, Ack):
                span.set_attribute("anymq.outcome", type(outcome).__name__)
            return outcome

    @contextmanager
    def batch(self, deliveries: list[Delivery]) -> Iterator[None]:
        """The span of one call of a batch handler, with a link to the span of every publish."""
        first = deliveries[0]
        attributes: dict[str, str | int] = {
            "messaging.system": self._system,
            "messaging.destination.name": first.topic,
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.batch.message_count": len(deliveries),
        }
        if first.group is not None:
            attributes["messaging.consumer.group.name"] = first.group
        origins = (trace.get_current_span(extract(d.message.meta, Context())) for d in deliveries)
        contexts = [span.get_span_context() for span in origins]
        with self._tracer.start_as_current_span(
            f"process {first.topic}",
            context=Context(),
            kind=trace.SpanKind.CONSUMER,
            attributes=attributes,
            links=[trace.Link(context) for context in contexts if context.is_valid],
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_attribute("error.type", type(error).__qualname__)
                raise

    @contextmanager
    def sending(self, topic: str, count: int) -> Iterator[None]:
        """The span of one publish; its context is what travels."""
        attributes: dict[str, str | int] = {
            "messaging.system": self._system,
            "messaging.destination.name": topic,
            "messaging.operation.name": "publish",
            "messaging.operation.type": "send",
        }
        if count != 1:
            attributes["messaging.batch.message_count"] = count
        with self._tracer.start_as_current_span(
            f"publish {topic}", kind=trace.SpanKind.PRODUCER, attributes=attributes
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_attribute("error.type", type(error).__qualname__)
                raise
