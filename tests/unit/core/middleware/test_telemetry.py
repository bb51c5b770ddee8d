"""Traces and metrics, by the providers that an application is given or that are set up."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from anymq import App, Delivery, PublishRejected, Release, RetryPolicy
from anymq.events import SettlementLost
from anymq.telemetry import Telemetry, measured_batch


class Watched:
    """An application with providers of its own, and what they recorded."""

    def __init__(self, url: str) -> None:
        self.exporter = InMemorySpanExporter()
        traces = TracerProvider()
        traces.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        meters = MeterProvider([self.reader])
        self.app = App(url, tracer_provider=traces, meter_provider=meters)

    def spans(self, prefix: str = "") -> list[ReadableSpan]:
        return [s for s in self.exporter.get_finished_spans() if s.name.startswith(prefix)]

    def points(self, name: str) -> dict[tuple[Any, ...], Any]:
        """Value (or count) of a metric by (destination, operation, error)."""
        found: dict[tuple[Any, ...], Any] = {}
        data: Any = self.reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == name:
                        for point in metric.data.data_points:
                            get = point.attributes.get
                            key = (
                                get("messaging.destination.name"),
                                get("messaging.operation.name"),
                                get("error.type"),
                            )
                            found[key] = getattr(point, "value", getattr(point, "count", None))
        return found


@pytest.fixture
def watched(url: str) -> Watched:
    """An application that is watched."""
    return Watched(url)


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_a_trace_goes_from_publisher_to_handler_and_on(watched: Watched) -> None:
    """Every handler's span is the child of the publish that brought its message."""
    app = watched.app
    app.topic("out")

    @app.subscriber("t", group="g")
    async def handle(body: int, delivery: Delivery) -> None:
        assert "traceparent" not in delivery.headers
        await delivery.publish("out", body)

    async with app.test() as t:
        await app.publish("t", 1, message_id="m1")
        await t.settle()

    publish, process, onward = (
        watched.spans(name)[0] for name in ("publish t", "process t", "publish out")
    )
    assert process.parent is not None
    assert process.parent.span_id == publish.context.span_id
    assert onward.parent is not None
    assert onward.parent.span_id == process.context.span_id
    assert (publish.kind, process.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    facts = attributes(process)
    assert facts["messaging.system"] == "memory"
    assert facts["messaging.destination.name"] == "t"
    assert facts["messaging.message.id"] == "m1"
    assert facts["messaging.consumer.group.name"] == "g"
    assert facts["anymq.attempt"] == 1


async def test_failures_are_seen_in_spans_and_metrics(watched: Watched) -> None:
    """Of handlers and of publishes, by the error's type."""
    app = watched.app

    @app.subscriber("t", group="g", retry=RetryPolicy(max_attempts=1))
    async def handle(body: int) -> None:
        raise LookupError("x")

    @app.subscriber("t", name="anonymous")
    async def fine(body: int) -> None: ...

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()
        with pytest.raises(PublishRejected):
            await app.publish("unknown", 1)

    failed = [span for span in watched.spans("process t") if "error.type" in attributes(span)]
    assert [attributes(span)["error.type"] for span in failed] == ["LookupError"]
    assert failed[0].status.status_code is StatusCode.ERROR
    assert attributes(watched.spans("publish unknown")[0])["error.type"] == "PublishRejected"
    consumed = watched.points("messaging.client.consumed.messages")
    assert consumed == {("t", "process", "LookupError"): 1, ("t", "process", None): 1}
    sent = watched.points("messaging.client.sent.messages")
    assert sent[("unknown", "publish", "PublishRejected")] == 1
    assert watched.points("messaging.process.duration")[("t", "process", None)] == 1


async def test_many_are_one_span_with_their_number(watched: Watched) -> None:
    """And so many messages in the counter."""
    app = watched.app
    app.topic("t")
    async with app.test():
        await app.publish_many("t", iter([1, 2, 3]))

    (span,) = watched.spans("publish t")
    assert attributes(span)["messaging.batch.message_count"] == 3
    assert watched.points("messaging.client.sent.messages") == {("t", "publish", None): 3}


async def test_an_outcome_is_noted(watched: Watched) -> None:
    """Unless it is the usual one."""
    app = watched.app
    seen: list[int] = []

    @app.subscriber("t", group="g")
    async def handle(body: int) -> Release | None:
        seen.append(body)
        return Release() if len(seen) == 1 else None

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()

    first, second = watched.spans("process t")
    assert attributes(first)["anymq.outcome"] == "Release"
    assert "anymq.outcome" not in attributes(second)


async def test_a_batch_is_measured_as_one_call(watched: Watched) -> None:
    """Linked to all that it was called for; a failure of it is seen."""
    app = watched.app

    @app.subscriber("t", group="g", batch_size=2, batch_wait_s=0, retry=RetryPolicy(max_attempts=1))
    async def handle(bodies: list[int]) -> None:
        if 3 in bodies:
            raise LookupError("x")

    async with app.test() as t:
        await app.publish_many("t", [1, 2])
        await t.settle()
        await app.publish_many("t", [3])
        await t.settle()

    good, bad = watched.spans("process t")
    assert attributes(good)["messaging.batch.message_count"] == 2
    assert len(good.links) >= 1
    assert attributes(bad)["error.type"] == "LookupError"


async def test_stale_settlements_are_counted(watched: Watched) -> None:
    """What came too late is a metric."""
    app = watched.app
    app.topic("t")
    async with app.test():
        app._lifecycle.engine.tell(SettlementLost("t", "g", "m", "late"))

    assert watched.points("anymq.settlements.stale") == {("t", "settle", None): 1}


async def test_nothing_is_measured_where_nobody_asked(app: App) -> None:
    """No middleware, no header: a message without telemetry costs nothing for it."""
    app.topic("t")
    async with app.test() as t:
        await app.publish("t", 1)
        assert t.published[0].meta == {}

    assert Telemetry.current("memory") == Telemetry()


def test_without_opentelemetry_nothing_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has not imported it has set nothing up."""
    monkeypatch.delitem(sys.modules, "opentelemetry")

    assert Telemetry.current("memory") == Telemetry()


def test_what_is_set_up_is_found_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traces, metrics, or both."""
    monkeypatch.setattr(trace, "get_tracer_provider", TracerProvider)
    assert len(Telemetry.current("memory").middleware) == 1
    monkeypatch.setattr(metrics, "get_meter_provider", MeterProvider)
    both = Telemetry.current("memory")
    assert (len(both.middleware), len(both.stamps), len(both.listeners)) == (2, 1, 1)


async def test_a_batch_that_nobody_measures_is_called_as_it_is() -> None:
    """The very function."""

    async def call(values: list[Any], deliveries: list[Delivery]) -> None:
        await asyncio.sleep(0)

    assert measured_batch(call, ()) is call
