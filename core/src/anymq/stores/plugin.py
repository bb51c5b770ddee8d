"""The entry point ``postgresql``: a store for jobs, for backends that keep none."""

from __future__ import annotations

from collections.abc import Iterable

from anymq.abc import BackendContext, JobStore
from anymq.capabilities import Capabilities
from anymq.errors import PluginError
from anymq.plugins import BackendDescriptor, hookimpl
from anymq.stores.options import PostgresOptions

__all__ = ["anymq_backends"]


@hookimpl
def anymq_backends() -> Iterable[BackendDescriptor]:
    """PostgreSQL as a JobStore."""
    yield BackendDescriptor(
        name="postgresql",
        schemes=("postgresql",),
        options=PostgresOptions,
        capabilities=Capabilities({}, frozenset()),
        job_store=_job_store,
        package="anymq[sql]",
    )


def _job_store(options: PostgresOptions, context: BackendContext) -> JobStore:
    try:
        from anymq.stores.sql_job_store import SqlJobStore
    except ImportError as error:
        raise PluginError(
            f"the job store on PostgreSQL needs more ({error}): pip install 'anymq[sql]'"
        ) from error
    return SqlJobStore(
        options.sqlalchemy_url(),
        context,
        prefix=options.table_prefix,
        pool_size=options.pool_size,
        poll_s=options.poll_s,
        timeout_s=options.request_timeout_s,
    )
