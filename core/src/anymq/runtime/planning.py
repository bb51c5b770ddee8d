"""From what was declared and configured to what each consumer does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from anymq.codecs.codec import Codec
from anymq.codecs.envelope import Envelope
from anymq.codecs.reading import body_reader
from anymq.declarations import SubscriberSpec
from anymq.errors import ConfigError
from anymq.message import Delivery, Message
from anymq.middleware.chain import Middleware
from anymq.outcome import Outcome
from anymq.pipeline.context import Context
from anymq.pipeline.handler import compile_call, make_invoke
from anymq.pipeline.scope import DeliveryScope
from anymq.portable.plan import BatchPlan, ErrorHook, SubscriberPlan
from anymq.portable.replies import Replies
from anymq.retry import RetryPolicy
from anymq.telemetry import AroundBatch, measured_batch
from anymq.topology import Source

if TYPE_CHECKING:
    from anymq.app import App
    from anymq.config import Settings, SubscriberOverride

__all__ = ["PlanParts", "check_overrides", "make_plan"]


@dataclass(frozen=True, slots=True)
class PlanParts:
    """What all subscribers of an App share."""

    app: App
    state: Any
    codec: Codec
    envelope: Envelope | None
    middleware: tuple[Middleware, ...]
    error_hooks: tuple[ErrorHook, ...]
    publish: Callable[..., Awaitable[str]]
    replies: Replies
    settle_by_hand: Callable[[str, Delivery, Outcome], None]
    executor: Callable[[SubscriberSpec], Executor]
    settings: Settings
    around_batch: tuple[AroundBatch, ...] = ()


def check_overrides(settings: Settings, specs: list[SubscriberSpec]) -> None:
    """Raise ConfigError for an override of a subscriber that does not exist."""
    known = [spec.name for spec in specs]
    for name in settings.subscribers:
        if name not in known:
            raise ConfigError(
                f"subscribers.{name}: no subscriber has that name; there are {', '.join(known)}"
            )


def make_plan(spec: SubscriberSpec, parts: PlanParts) -> SubscriberPlan:
    """Compile one subscriber. Raises ConfigError for an annotation nothing can decode."""
    override = parts.settings.subscribers.get(spec.name)
    context: Context[Any] = Context(parts.app, parts.state, spec.name, spec.topics, spec.group, {})
    executor = None if spec.signature.is_async else parts.executor(spec)
    invoke = make_invoke(spec.handler, spec.signature, context, executor)
    unwrap = None if parts.envelope is None else _opener(parts.envelope)
    decode = body_reader(parts.codec, spec.signature.annotation, is_opened=unwrap is not None)
    middleware = (*parts.middleware, *spec.middleware)
    needs_scope = (
        spec.signature.needs_scope or middleware or spec.publish_to or spec.ack == "manual"
    )

    def scope(delivery: Delivery) -> DeliveryScope:
        by_hand = None
        if spec.ack == "manual":

            def by_hand(settled: Delivery, outcome: Outcome) -> None:
                parts.settle_by_hand(spec.name, settled, outcome)

        return DeliveryScope(delivery, parts.publish, by_hand)

    retry = _retry(spec.retry or RetryPolicy(), override)
    call = compile_call(
        invoke,
        decode,
        middleware=middleware,
        scope=scope if needs_scope else None,
        publish_to=spec.publish_to,
        timeout_s=spec.timeout_s,
        reply=parts.replies.answer,
        refuse=parts.replies.refusing(retry),
        unwrap=unwrap,
    )
    batch = None
    if spec.batch_size is not None:
        call_batch = measured_batch(invoke, parts.around_batch)
        batch = BatchPlan(
            spec.batch_size,
            spec.batch_wait_s,
            decode,
            call_batch,
            unwrap,
            scope if spec.signature.needs_scope else None,
            spec.timeout_s,
        )
    concurrency = (override and override.concurrency) or spec.concurrency
    prefetch = (override and override.prefetch) or spec.prefetch
    if batch is not None and prefetch is None:
        prefetch = batch.size * concurrency * 2
    return SubscriberPlan(
        name=spec.name,
        source=Source(spec.topics, spec.group, spec.order),
        call=call,
        batch=batch,
        concurrency=concurrency,
        prefetch=prefetch,
        ack=spec.ack,
        retry=retry,
        max_block_s=spec.max_block_s,
        max_deliveries=spec.max_deliveries,
        accepts=_filter(spec),
        error_hooks=parts.error_hooks,
    )


def _opener(envelope: Envelope) -> Callable[[Delivery], Message]:
    """Take deliveries out of their envelope; the wire's message stays for retries."""

    def unwrap(delivery: Delivery) -> Message:
        message = envelope.unwrap(delivery.message)
        if message.headers is not delivery.message.headers:
            delivery.show_headers(message.headers)
        return message

    return unwrap


def _retry(policy: RetryPolicy, override: SubscriberOverride | None) -> RetryPolicy:
    if override is None:
        return policy
    changed = {
        name: value
        for name in type(override.retry).model_fields
        if (value := getattr(override.retry, name)) is not None
    }
    return replace(policy, **changed) if changed else policy


def _filter(spec: SubscriberSpec) -> Callable[[Delivery], bool] | None:
    wanted = spec.filter
    if not isinstance(wanted, Mapping):
        return wanted
    pairs = tuple(wanted.items())

    def accepts(delivery: Delivery) -> bool:
        headers = delivery.message.headers
        return all(headers.get(name) == value for name, value in pairs)

    return accepts
