"""What an application declares before it runs: topics, subscribers, and checks of both."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from anymq.errors import ConfigError
from anymq.message import Delivery
from anymq.middleware.chain import Middleware
from anymq.pipeline.signature import HandlerSignature
from anymq.portable.plan import AckPolicy
from anymq.retry import RetryPolicy
from anymq.topology import (
    Order,
    TopicSpec,
    check_group,
    check_pattern,
    check_topic,
    confusable,
)

if TYPE_CHECKING:
    from anymq.abc import StreamSpec
    from anymq.tasks.spec import CronSpec, TaskSpec

__all__ = ["Declarations", "Filter", "SubscriberSpec", "caller_line"]

Filter = Callable[[Delivery], bool] | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SubscriberSpec:
    """One ``@subscriber``, as it was written."""

    name: str
    topics: tuple[str, ...]
    group: str | None
    handler: Callable[..., Any]
    signature: HandlerSignature
    declared_at: str
    """``file:line``, for errors that appear at start."""
    concurrency: int = 1
    prefetch: int | None = None
    retry: RetryPolicy | None = None
    order: Order = "none"
    ack: AckPolicy = "after"
    batch_size: int | None = None
    batch_wait_s: float = 0.1
    timeout_s: float | None = None
    max_block_s: float = 60.0
    max_deliveries: int = 20
    filter: Filter | None = None
    middleware: tuple[Middleware, ...] = ()
    publish_to: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        where = f"subscriber {self.name!r} ({self.declared_at})"
        for topic in self.topics:
            check_pattern(topic)
        if not self.topics:
            raise ConfigError(f"{where}: name at least one topic")
        if self.group is not None:
            check_group(self.group)
        if self.concurrency < 1:
            raise ConfigError(f"{where}: concurrency={self.concurrency} must be at least 1")
        if self.prefetch is not None and self.prefetch < 1:
            raise ConfigError(f"{where}: prefetch={self.prefetch} must be at least 1")
        if self.order not in ("none", "key"):
            raise ConfigError(f'{where}: order={self.order!r} must be "none" or "key"')
        if self.ack not in ("after", "before", "manual"):
            raise ConfigError(f'{where}: ack={self.ack!r} must be "after", "before" or "manual"')
        self._check_batch(where)
        self._check_limits(where)
        if self.timeout_s is not None and not self.signature.is_async:
            raise ConfigError(
                f"{where}: timeout_s is refused for a plain function, because a thread cannot be"
                " stopped; make it 'async def' or leave the limit out"
            )

    def _check_batch(self, where: str) -> None:
        if self.batch_size is None:
            return
        if self.batch_size < 1 or self.ack != "after":
            raise ConfigError(f'{where}: a batch needs batch_size >= 1 and ack="after"')
        if self.publish_to:
            raise ConfigError(
                f"{where}: a batch handler returns outcomes, so @publisher({self.publish_to[0]!r})"
                " would publish nothing: leave it out, and use delivery.publish"
            )

    def _check_limits(self, where: str) -> None:
        for name, least, is_least_taken in (
            ("batch_wait_s", 0, True),
            ("timeout_s", 0, False),
            ("max_block_s", 0, True),
            ("max_deliveries", 1, True),
        ):
            value = getattr(self, name)
            if value is not None and not (value > least or (is_least_taken and value == least)):
                wanted = f"at least {least}" if is_least_taken else f"more than {least}"
                raise ConfigError(f"{where}: {name}={value} must be {wanted}")


class Declarations:
    """Topics, subscribers and streams of an App or Router, in the order of their declaration."""

    def __init__(self) -> None:
        self.topics: dict[str, TopicSpec] = {}
        self.subscribers: list[SubscriberSpec] = []
        self.tasks: dict[str, TaskSpec] = {}
        self.schedules: list[CronSpec] = []
        self.streams: dict[str, StreamSpec] = {}

    def add_stream(self, spec: StreamSpec) -> None:
        """Declare a stream. Raises ConfigError for a bad name or another declaration of it."""
        check_topic(spec.name)
        if spec.partitions < 1:
            raise ConfigError(f"stream {spec.name!r}: partitions={spec.partitions} must be >= 1")
        found = self.streams.get(spec.name)
        if found is not None and found != spec:
            raise ConfigError(
                f"stream {spec.name!r} is declared twice and differently: {found} and {spec}"
            )
        confused = confusable([*self.streams, spec.name])
        if confused is not None:
            raise ConfigError(
                f"streams {confused[0]!r} and {confused[1]!r} differ only in '.' and '_', which"
                " some backends cannot tell apart: rename one"
            )
        self.streams[spec.name] = spec

    def add_topic(self, spec: TopicSpec) -> None:
        """Declare a topic. Raises ConfigError for a bad name or a second, different declaration."""
        check_topic(spec.name)
        if spec.partitions < 1:
            raise ConfigError(f"topic {spec.name!r}: partitions={spec.partitions} must be >= 1")
        found = self.topics.get(spec.name)
        if found is not None and found != spec:
            raise ConfigError(
                f"topic {spec.name!r} is declared twice and differently: {found} and {spec}"
            )
        for other in self.topics:
            if other != spec.name and other.replace(".", "_") == spec.name.replace(".", "_"):
                raise ConfigError(
                    f"topics {other!r} and {spec.name!r} differ only in '.' and '_', which some"
                    " backends cannot tell apart: rename one"
                )
        self.topics[spec.name] = spec

    def add_subscriber(self, spec: SubscriberSpec) -> None:
        """Declare a subscriber. Raises ConfigError for a name or (topic, group) taken already."""
        for other in self.subscribers:
            if other.name == spec.name:
                raise ConfigError(
                    f"two subscribers are named {spec.name!r}: {other.declared_at} and"
                    f" {spec.declared_at}; pass name= to one of them"
                )
            shared = set(other.topics) & set(spec.topics)
            if spec.group is not None and other.group == spec.group and shared:
                raise ConfigError(
                    f"subscribers {other.name!r} and {spec.name!r} both read topic"
                    f" {min(shared)!r} as group {spec.group!r}: each message would reach only one"
                    " of them; give them groups of their own"
                )
        self.subscribers.append(spec)

    def add_task(self, spec: TaskSpec) -> None:
        """Declare a task. Raises ConfigError for a name that is taken already."""
        other = self.tasks.get(spec.name)
        if other is not None and other is not spec:
            raise ConfigError(
                f"two tasks are named {spec.name!r}: {other.declared_at} and {spec.declared_at};"
                " pass name= to one of them"
            )
        self.tasks[spec.name] = spec

    def include(self, other: Declarations, prefix: str, middleware: Sequence[Middleware]) -> None:
        """Take over another's declarations, names prefixed, middleware put around theirs."""
        for topic in other.topics.values():
            self.add_topic(replace(topic, name=prefix + topic.name))
        for task in other.tasks.values():
            self.add_task(task)
        self.schedules += [spec for spec in other.schedules if spec not in self.schedules]
        for spec in other.subscribers:
            self.add_subscriber(
                replace(
                    spec,
                    topics=tuple(prefix + topic for topic in spec.topics),
                    middleware=(*middleware, *spec.middleware),
                    publish_to=tuple(prefix + topic for topic in spec.publish_to),
                )
            )


def caller_line(depth: int) -> str:
    """``file:line`` of the code that called, ``depth`` frames up."""
    frame = sys._getframe(depth + 1)  # the only way to name the user's line
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
