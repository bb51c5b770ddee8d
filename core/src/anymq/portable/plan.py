"""What one subscriber is to do, decided once at start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from anymq.message import Delivery, HandlingScope, Message
from anymq.middleware.chain import Call
from anymq.retry import RetryPolicy
from anymq.topology import Source

if TYPE_CHECKING:
    from anymq.codecs.reading import BodyReader

__all__ = ["AckPolicy", "BatchPlan", "ErrorHook", "SubscriberPlan", "default_prefetch"]

AckPolicy = Literal["after", "before", "manual"]
ErrorHook = Callable[[Delivery, BaseException], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """A batch handler: its call takes the values and their deliveries."""

    size: int
    wait_s: float
    decode: BodyReader
    call: Callable[[list[Any], list[Delivery]], Awaitable[Any]]
    unwrap: Callable[[Delivery], Message] | None = None
    """Takes a member out of its envelope, where there is one."""
    scope: Callable[[Delivery], HandlingScope] | None = None
    """Made for each member where the handler can reach its deliveries."""
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class SubscriberPlan:
    """Everything a Consumer needs besides its connection."""

    name: str
    source: Source
    call: Call
    batch: BatchPlan | None = None
    concurrency: int = 1
    prefetch: int | None = None
    ack: AckPolicy = "after"
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    max_block_s: float = 60.0
    max_deliveries: int = 20
    accepts: Callable[[Delivery], bool] | None = None
    """What the subscriber's filter lets through; the rest is acknowledged unhandled."""
    error_hooks: Sequence[ErrorHook] = ()
    policy: Callable[[Delivery], RetryPolicy] | None = None
    """The policy of one delivery, where they differ; None: ``retry`` for all."""
    on_crash_loop: Callable[[Delivery], None] | None = None
    """Told of a message that is dead-lettered unhandled, because it kills processes."""


def default_prefetch(concurrency: int) -> int:
    """Four per slot, at most 100 more than slots: batches enough, and nobody hoards a backlog."""
    return concurrency + min(3 * concurrency, 100)
