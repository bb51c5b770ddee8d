"""The entry point ``memory``: registered like any plugin."""

from __future__ import annotations

from collections.abc import Iterable

from anymq.memory.capabilities import capabilities_of
from anymq.memory.options import MemoryOptions
from anymq.plugins import BackendDescriptor, hookimpl

__all__ = ["anymq_backends"]


@hookimpl
def anymq_backends() -> Iterable[BackendDescriptor]:
    """The in-process reference backend."""
    from anymq.memory.broker import MemoryBroker
    from anymq.memory.job_store import MemoryJobStore
    from anymq.memory.stream import MemoryStream

    return [
        BackendDescriptor(
            name="memory",
            schemes=("memory",),
            options=MemoryOptions,
            capabilities=capabilities_of(MemoryOptions()),
            broker=MemoryBroker,
            stream=MemoryStream,
            job_store=MemoryJobStore,
            harness="anymq.testing.harnesses.memory:MemoryHarness",
            package="anymq",
        )
    ]
