"""The plugin: one descriptor for every scheme. Imports no client before a backend is made."""

from __future__ import annotations

from collections.abc import Iterable

from anymq.abc import BackendContext, Broker, JobStore, Stream
from anymq.plugins import BackendDescriptor, hookimpl
from anymq_redis.capabilities import claimed
from anymq_redis.options import RedisOptions

__all__ = ["anymq_backends"]


@hookimpl
def anymq_backends() -> Iterable[BackendDescriptor]:
    """Redis 7.0 or newer, and Valkey."""
    yield BackendDescriptor(
        name="redis",
        schemes=("redis", "rediss", "valkey", "valkeys"),
        options=RedisOptions,
        capabilities=claimed(RedisOptions()),
        broker=_broker,
        stream=_stream,
        job_store=_job_store,
        harness="anymq_redis.harness:RedisHarness",
        package="anymq-redis",
    )


def _broker(options: RedisOptions, context: BackendContext) -> Broker:
    from anymq_redis.broker import RedisBroker

    return RedisBroker(options, context)


def _stream(options: RedisOptions, context: BackendContext) -> Stream:
    from anymq_redis.stream import RedisStream

    return RedisStream(options, context)


def _job_store(options: RedisOptions, context: BackendContext) -> JobStore:
    from anymq_redis.job_store import RedisJobStore

    return RedisJobStore(options, context)
