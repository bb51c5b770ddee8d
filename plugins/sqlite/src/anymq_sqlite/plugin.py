"""The plugin: one descriptor. Opens nothing before a backend is made."""

from __future__ import annotations

from collections.abc import Iterable

from anymq.abc import BackendContext, Broker, JobStore, Stream
from anymq.plugins import BackendDescriptor, hookimpl
from anymq_sqlite.capabilities import capabilities_of
from anymq_sqlite.options import SqliteOptions

__all__ = ["anymq_backends"]


@hookimpl
def anymq_backends() -> Iterable[BackendDescriptor]:
    """One SQLite file."""
    yield BackendDescriptor(
        name="sqlite",
        schemes=("sqlite",),
        options=SqliteOptions,
        capabilities=capabilities_of(SqliteOptions()),
        broker=_broker,
        stream=_stream,
        job_store=_job_store,
        harness="anymq_sqlite.harness:SqliteHarness",
        package="anymq-sqlite",
    )


def _broker(options: SqliteOptions, context: BackendContext) -> Broker:
    from anymq_sqlite.broker import SqliteBroker

    return SqliteBroker(options, context)


def _stream(options: SqliteOptions, context: BackendContext) -> Stream:
    from anymq_sqlite.stream import SqliteStream

    return SqliteStream(options, context)


def _job_store(options: SqliteOptions, context: BackendContext) -> JobStore:
    from anymq_sqlite.job_store import SqliteJobStore

    return SqliteJobStore(options, context)
