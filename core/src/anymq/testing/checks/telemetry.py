"""Traces and metrics, collected in memory through providers given to the application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from anymq.errors import PublishRejected
from anymq.message import Delivery
from anymq.retry import RetryPolicy
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.decoys import subject_of

__all__ = ["Traces", "attributes_of", "has", "parent_id"]

TWICE = RetryPolicy(max_attempts=2, first_delay_s=0.02, jitter=0)


class Traces:
    """A tracer provider, and the spans that ended."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def spans(self, name: str = "") -> list[ReadableSpan]:
        """Ended spans, or those of a name, by the time they began."""
        found = [s for s in self._exporter.get_finished_spans() if name in ("", s.name)]
        return sorted(found, key=lambda span: span.start_time or 0)


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    """A span's attributes."""
    return dict(span.attributes or {})


def parent_id(span: ReadableSpan) -> int | None:
    """The id of a span's parent."""
    return None if span.parent is None else span.parent.span_id


def has(span: ReadableSpan, **wanted: Any) -> None:
    """Fail unless the span has these attributes (``__`` stands for a dot)."""
    found = attributes_of(span)
    for name, value in wanted.items():
        key = name.replace("__", ".")
        expect(found.get(key) == value, f"{span.name}: {key} is {found.get(key)!r}, not {value!r}")


@check("OBS-04", "trace_context_propagates")
async def context_propagates(bench: Bench) -> None:
    """One trace from whoever publishes through retries and handlers to what these publish."""
    traces = Traces()
    app = await bench.app(tracer_provider=traces.provider)
    topic, out = app.topic(bench.topic()), app.topic(bench.topic("out"))
    current: list[int] = []

    async def forwards(value: Any, delivery: Delivery) -> None:
        current.append(trace.get_current_span().get_span_context().span_id)
        if delivery.attempt == 1:
            raise RuntimeError("on purpose")
        await delivery.publish(out, bench.body(value))

    bench.collect(app, topic, group="g", retry=TWICE, behaviour=forwards)
    last = bench.collect(app, out, group="g")
    await bench.started(app)
    with traces.provider.get_tracer("kit").start_as_current_span("root") as root:
        await bench.publish(app, topic, "x")
    await bench.received(last, 1)
    await bench.wait(lambda: len(traces.spans(f"process {out}")) == 1, "the last span to end")
    (published,), handled = traces.spans(f"publish {topic}"), traces.spans(f"process {topic}")
    (forwarded,), (ended,) = traces.spans(f"publish {out}"), traces.spans(f"process {out}")
    expect(parent_id(published) == root.get_span_context().span_id, "publish left its trace")
    expect(len(handled) == 2, f"{len(handled)} process spans of two attempts")
    for span in handled:
        expect(parent_id(span) == _id(published), "a process span has another parent than publish")
    expect(current == [_id(span) for span in handled], "handlers ran in other spans than theirs")
    expect(parent_id(forwarded) == _id(handled[1]), "what a handler publishes leaves its trace")
    expect(parent_id(ended) == _id(forwarded), "the next handler left the trace")
    whole = {span.context.trace_id for span in traces.spans() if span.context}
    expect(len(whole) == 1, f"{len(whole)} traces of one conversation")
    await _travels(bench, traces)


async def _travels(bench: Bench, traces: Traces) -> None:
    """On the wire it is a W3C ``traceparent``; one by a foreign client counts as well."""
    app = await bench.app(tracer_provider=traces.provider)
    topic = app.topic(bench.topic("wire"))
    bench.collect(app, topic, group="app")
    await bench.started(app)
    async with bench.broker() as broker:
        await bench.declare(broker, topic, "narrow")
        member = await bench.subscribe(broker, topic, "narrow")
        await bench.publish(app, topic, "x")
        (delivery,) = await bench.take(member, 1)
        (published,) = traces.spans(f"publish {topic}")
        context = published.context
        expect(context is not None, "the publish span has no context")
        told = delivery.message.meta.get("traceparent", "")
        wanted = f"00-{context.trace_id:032x}-{context.span_id:016x}-" if context else "none"
        expect(told.startswith(wanted), f"traceparent on the wire is {told!r}, not {wanted}…")
        expect("traceparent" not in delivery.message.headers, "traceparent is among user headers")
        await bench.settle(member, delivery)
        parent = f"00-{'ab' * 16}-{'cd' * 8}-01"
        foreign = bench.message(topic, b'{"run":"foreign"}', meta={"traceparent": parent})
        plain = bench.message(topic, b'{"run":"plain"}')
        await broker.send([foreign, plain], timeout_s=bench.limit(5))
        await bench.wait(lambda: len(traces.spans(f"process {topic}")) == 3, "three handlers")
        spans = {attributes_of(s)["messaging.message.id"]: s for s in traces.spans()[-3:]}
        expect(parent_id(spans[foreign.id]) == int("cd" * 8, 16), "a foreign trace was left")
        expect(parent_id(spans[plain.id]) is None, "a message without a trace joined another one")
        await bench.settle(member, *await bench.take(member, 2))


def _id(span: ReadableSpan) -> int:
    if span.context is None:
        raise CheckFailed(f"{span.name} has no context")
    return int(span.context.span_id)


@check("OBS-05", "span_names_and_attributes")
async def spans(bench: Bench) -> None:
    """Names, kinds and attributes of the semantic conventions; links for batches; errors marked."""
    traces = Traces()
    app = await bench.app(tracer_provider=traces.provider)
    topic, many = app.topic(bench.topic()), app.topic(bench.topic("many"))
    system = (await subject_of(bench)).descriptor.name

    async def fails(value: Any, delivery: Delivery) -> None:
        if value == "fails":
            raise LookupError("on purpose")

    once = RetryPolicy(max_attempts=1)
    collector = bench.collect(app, topic, group="g", retry=once, behaviour=fails)
    batches: list[int] = []

    @app.subscriber(many, group="g", name="batches", batch_size=5, batch_wait_s=0.5)
    async def batch(bodies: list[Any]) -> None:
        batches.append(len(bodies))

    await bench.started(app)
    good, bad = await bench.publish(app, topic, "good", "fails")
    await bench.received(collector, 2)
    await bench.publish_many(app, many, range(5))
    await bench.wait(lambda: sum(batches) == 5, "five messages in batches")
    await bench.wait(lambda: len(traces.spans(f"process {many}")) == len(batches), "their spans")
    common = {"messaging__system": system, "messaging__destination__name": topic}
    for span in traces.spans(f"publish {topic}"):
        expect(span.kind is trace.SpanKind.PRODUCER, f"a publish span of the kind {span.kind}")
        has(span, **common, messaging__operation__name="publish", messaging__operation__type="send")
    handled = {
        attributes_of(s)["messaging.message.id"]: s for s in traces.spans(f"process {topic}")
    }
    expect(set(handled) == {good, bad}, "process spans do not carry the messages' ids")
    for span in handled.values():
        expect(span.kind is trace.SpanKind.CONSUMER, f"a process span of the kind {span.kind}")
        has(
            span,
            **common,
            messaging__operation__name="process",
            messaging__operation__type="process",
            messaging__consumer__group__name="g",
        )
    expect("error.type" not in attributes_of(handled[good]), "a good message's span has an error")
    has(handled[bad], error__type="LookupError")
    expect(not handled[bad].status.is_ok, "the span of a failed handler is not marked as failed")
    await _batch_spans(bench, traces, many, batches)
    await _refused_span(bench, traces, app)


async def _batch_spans(bench: Bench, traces: Traces, many: str, batches: Sequence[int]) -> None:
    (sent,) = traces.spans(f"publish {many}")
    has(sent, messaging__batch__message_count=5)
    for span, size in zip(traces.spans(f"process {many}"), batches, strict=True):
        has(span, messaging__batch__message_count=size, messaging__consumer__group__name="g")
        expect(parent_id(span) is None, "the span of a batch has a parent, not links")
        linked = [link.context.span_id for link in span.links]
        expect(linked == [_id(sent)] * size, f"a batch of {size} has {len(linked)} right links")


async def _refused_span(bench: Bench, traces: Traces, app: Any) -> None:
    missing = bench.topic("missing")
    try:
        await app.publish(missing, {})
    except PublishRejected:
        (span,) = traces.spans(f"publish {missing}")
        has(span, error__type="PublishRejected")
        expect(not span.status.is_ok, "the span of a refused publish is not marked as failed")
        return
    raise CheckFailed("publishing to a topic that does not exist was confirmed")


@check("OBS-06", "metrics_emitted")
async def metrics(bench: Bench) -> None:
    """Sent, consumed and both durations, by topic and group; failures carry error.type."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    app = await bench.app(meter_provider=provider)
    topic, many = app.topic(bench.topic()), app.topic(bench.topic("many"))

    async def fails(value: Any, delivery: Delivery) -> None:
        if value == "fails":
            raise LookupError("on purpose")

    once = RetryPolicy(max_attempts=1)
    collector = bench.collect(app, topic, group="g", retry=once, behaviour=fails)
    batches: list[int] = []

    @app.subscriber(many, group="g", name="batches", batch_size=4, batch_wait_s=0.2)
    async def batch(bodies: list[Any]) -> None:
        batches.append(len(bodies))

    await bench.started(app)
    await bench.publish(app, topic, 1, 2, "fails")
    await bench.publish_many(app, topic, [3, 4])
    await bench.publish_many(app, many, range(4))
    missing = bench.topic("missing")
    try:
        await app.publish(missing, {})
    except PublishRejected:
        pass
    await bench.received(collector, 5)
    await bench.wait(lambda: sum(batches) == 4, "four messages in batches")
    await app.stop()
    points = _points(reader)
    provider.shutdown()
    system = (await subject_of(bench)).descriptor.name
    _check_points(points, topic, many, missing, len(batches), system)


def _points(reader: InMemoryMetricReader) -> list[tuple[str, str, dict[str, Any], float]]:
    """Every point: name, unit, attributes, and its sum (of a histogram: how many)."""
    data = reader.get_metrics_data()
    expect(data is not None, "no metric was recorded")
    found: list[tuple[str, str, dict[str, Any], float]] = []
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    amount = getattr(point, "value", None)
                    counted = getattr(point, "count", 0) if amount is None else amount
                    attributes = dict(point.attributes or {})
                    found.append((metric.name, metric.unit or "", attributes, float(counted)))
    return found


def _check_points(
    points: list[tuple[str, str, dict[str, Any], float]],
    topic: str,
    many: str,
    missing: str,
    batches: int,
    system: str,
) -> None:
    def amount(metric: str, of: str, error: str | None = None) -> float:
        return sum(
            n
            for name, _, labels, n in points
            if name == metric
            and labels.get("messaging.destination.name") == of
            and labels.get("error.type") == error
        )

    sent, consumed = "messaging.client.sent.messages", "messaging.client.consumed.messages"
    sending, handling = "messaging.client.operation.duration", "messaging.process.duration"
    for metric, of, error, wanted in (
        (sent, topic, None, 5),
        (sent, many, None, 4),
        (sent, missing, "PublishRejected", 1),
        (sending, topic, None, 4),
        (sending, missing, "PublishRejected", 1),
        (consumed, topic, None, 4),
        (consumed, topic, "LookupError", 1),
        (consumed, many, None, 4),
        (handling, topic, None, 4),
        (handling, topic, "LookupError", 1),
        (handling, many, None, batches),
    ):
        seen = amount(metric, of, error)
        expect(seen == wanted, f"{metric} (error {error}) is {seen:g}, not {wanted}")
    units = {name: unit for name, unit, _, _ in points}
    expect(units[sending] == units[handling] == "s", f"units: {units}")
    for name, _, labels, _ in points:
        if name.startswith("messaging."):
            expect(labels.get("messaging.system") == system, f"{name}: messaging.system {labels}")
            expect("messaging.operation.name" in labels, f"{name} has no messaging.operation.name")
        if name in (consumed, handling):
            expect(
                labels.get("messaging.consumer.group.name") == "g", f"{name}: no group: {labels}"
            )
