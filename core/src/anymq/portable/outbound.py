"""Outbound: everything between ``app.publish`` and the Publisher, for one open backend."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

from anymq.abc import Management
from anymq.capabilities import CAPABILITY_NAMES, Capabilities, Support
from anymq.emulation.delay import DelayRoute
from anymq.emulation.priority import PriorityRoute
from anymq.errors import PublishRejected, TopologyError, UnsupportedError
from anymq.message import Message
from anymq.outcome import Rejected, SendResult
from anymq.portable.outgoing import MessageBuilder
from anymq.portable.publisher import Publisher
from anymq.support.clock import Clock

__all__ = ["Outbound"]

GROUPS_SEEN_S = 30.0
"""How long a topic once seen with a group is believed to have one (``require_group``)."""


class Outbound:
    """Builds messages, sends them on the route the backend needs, and publishes them."""

    def __init__(
        self,
        builder: MessageBuilder,
        publisher: Publisher,
        capabilities: Capabilities,
        delays: DelayRoute,
        priorities: PriorityRoute,
        *,
        management: Callable[[], Management],
        clock: Clock,
    ) -> None:
        self._builder = builder
        self._publisher = publisher
        self._unsupported = [
            name
            for name in ("delayed_delivery", "ttl", "priority")
            if capabilities.level(name) is Support.UNSUPPORTED
        ]
        self._can_atomic = "batch_atomic" in capabilities.handles
        self._delays = delays
        self._priorities = priorities
        self._management = management
        self._clock = clock
        self._groups_seen: dict[str, float] = {}
        self._build = builder.build
        self._publish = publisher.publish
        self.send_one: Callable[..., Awaitable[str]] = self._send_one
        """``await send_one(topic, body, timeout_s, options)``; telemetry may wrap it."""
        self.send_many: Callable[..., Awaitable[list[SendResult]]] = self._send_many

    def build(self, topic: str, body: Any, /, **options: Any) -> Message:
        """An encoded message on its route. Raises PublishRejected."""
        message = self._build(topic, body, **options)
        if message.due_at is not None or message.priority != 1:
            return self.route(message)
        if message.expires_at is not None:
            self._check(message)
        return message

    def route(self, message: Message) -> Message:
        """The way a delayed or prioritised message goes on this backend."""
        self._check(message)
        message = self._priorities.route(message)
        due_at = message.due_at
        if due_at is not None and not self._delays.is_native:
            message.due_at = None
            return self._delays.delayed(message, due_at)
        return message

    def _check(self, message: Message) -> None:
        """Raise UnsupportedError for an option that the backend lacks and core cannot emulate."""
        asked = {
            "delayed_delivery": message.due_at is not None,
            "ttl": message.expires_at is not None,
            "priority": message.priority != 1,
        }
        for name in self._unsupported:
            if asked[name]:
                raise UnsupportedError(
                    f"publishing to {message.topic!r} needs {name} ({CAPABILITY_NAMES[name]}),"
                    " which this backend lacks"
                )

    async def _send_one(
        self,
        topic: str,
        body: Any,
        /,
        timeout_s: float,
        options: Mapping[str, Any],
        *,
        require_group: bool = False,
    ) -> str:
        """Build, check and publish one message; its id. Raises PublishRejected, PublishUnknown."""
        message = self.build(topic, body, **options)
        if require_group:
            await self.check_group(topic)
        await self._publish(message, timeout_s)
        return message.id

    async def _send_many(
        self,
        topic: str,
        bodies: Iterable[Any],
        /,
        keys: Iterable[str | None] | None,
        timeout_s: float,
        *,
        atomic: bool,
        options: Mapping[str, Any],
    ) -> list[SendResult]:
        """One result per body; what cannot be built is Rejected and hides nothing else."""
        if atomic and not self._can_atomic:
            raise UnsupportedError("publish_many(atomic=True): this backend has no batch_atomic")
        build = self.build if options else self._build
        messages: list[Message] = []
        refused: list[tuple[int, Rejected]] = []
        key: Iterator[str | None] = iter(())
        if keys is not None:
            bodies, keys = _as_many(bodies, keys)
            key = iter(keys)
        for index, body in enumerate(bodies):
            try:
                if keys is None:
                    messages.append(build(topic, body, **options))
                else:
                    messages.append(build(topic, body, key=next(key), **options))
            except PublishRejected as error:
                refused.append((index, Rejected(error.code, str(error))))
        if atomic and refused:
            return [refused[0][1]] * (len(messages) + len(refused))
        results = await self._publisher.publish_many(messages, timeout_s, atomic=atomic)
        for index, result in refused:
            results.insert(index, result)
        return results

    async def check_group(self, topic: str) -> None:
        """Raise PublishRejected("no_group") where no group would get the message."""
        now = self._clock.monotonic()
        if self._groups_seen.get(topic, -GROUPS_SEEN_S) > now - GROUPS_SEEN_S:
            return
        try:
            groups = await self._management().groups(topic)
        except TopologyError as error:
            raise PublishRejected("not_found", str(error)) from error
        if not groups:
            raise PublishRejected(
                "no_group", f"topic {topic!r} has no group, and require_group was asked for"
            )
        self._groups_seen[topic] = now


def _as_many(
    bodies: Iterable[Any], keys: Iterable[str | None]
) -> tuple[list[Any], list[str | None]]:
    """Both as lists. Raises PublishRejected("invalid") unless there is one key per body."""
    bodies, keys = list(bodies), list(keys)
    if len(bodies) != len(keys):
        raise PublishRejected(
            "invalid", f"{len(keys)} keys for {len(bodies)} bodies: give one each (None for none)"
        )
    return bodies, keys
