"""A lie: one thing a Broker or a JobStore says and does not do, and the checks of tasks it breaks.

Every lie is the memory backend with a few lines changed, under a scheme of its own. The names in
the modules beside this one are plugin objects, so each may be tried by hand as well:
``PYTHONPATH=. anymq conform --plugin tests/conformance/broken_tasks/keeping.py:ComparesNothing
--url broken-compares-nothing://x --only TSK``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from anymq.memory.broker import MemoryBroker
from anymq.memory.capabilities import capabilities_of
from anymq.memory.job_store import MemoryJobStore
from anymq.memory.options import MemoryOptions
from anymq.plugins import BackendDescriptor, hookimpl

__all__ = ["LIES", "TaskLie", "lie"]


class TaskLie:
    """A plugin object, and what the kit has to say about it."""

    def __init__(self, name: str, says: str, caught_by: Iterable[str], liar: type[Any]) -> None:
        self.name = f"broken-{name}"
        self.says = says
        self.caught_by = tuple(caught_by)
        self.liar = liar

    def __repr__(self) -> str:
        return self.name

    @hookimpl
    def anymq_backends(self) -> Iterable[BackendDescriptor]:
        """The one broken backend."""
        is_store = issubclass(self.liar, MemoryJobStore)
        return [
            BackendDescriptor(
                name=self.name,
                schemes=(self.name,),
                options=MemoryOptions,
                capabilities=capabilities_of(MemoryOptions()),
                broker=MemoryBroker if is_store else self.liar,
                job_store=self.liar if is_store else MemoryJobStore,
                harness="anymq.testing.harnesses.memory:MemoryHarness",
            )
        ]


LIES: list[TaskLie] = []
"""Every lie of the modules imported so far."""


def lie(name: str, says: str, *caught_by: str) -> Callable[[type[Any]], TaskLie]:
    """Make a plugin object of a Broker or JobStore. ``says``: the lie."""

    def make(liar: type[Any]) -> TaskLie:
        found = TaskLie(name, says, caught_by, liar)
        LIES.append(found)
        return found

    return make
