"""What a cluster refuses for a moment only: after a topic was made, a node started or moved."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException

from anymq.errors import AnyMQError, BackendUnavailable

__all__ = ["is_settling_down", "patiently"]

T = TypeVar("T")
_PAUSE_S = 0.1

_CODES = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
        KafkaError._WAIT_COORD,
        KafkaError._WAIT_CACHE,
        KafkaError._TRANSPORT,
    }
)


def is_settling_down(error: KafkaError) -> bool:
    """Whether asking again soon is likely to help."""
    return error.code() in _CODES


async def patiently(ask: Callable[[], Awaitable[T]], what: str, *, timeout_s: float) -> T:
    """Ask until the cluster has settled down. Raises BackendUnavailable when the time is up."""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    return await ask()
                except AnyMQError as error:
                    cause = error.__cause__
                    code = cause.args[0] if isinstance(cause, KafkaException) else cause
                    if not isinstance(code, KafkaError) or not is_settling_down(code):
                        raise
                await asyncio.sleep(_PAUSE_S)
    except TimeoutError as error:
        raise BackendUnavailable(f"{what}: not in {timeout_s} s") from error
