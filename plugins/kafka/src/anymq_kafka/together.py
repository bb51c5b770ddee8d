"""Several calls at once, whose first error comes as itself and not in a group."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable

__all__ = ["together"]


async def together(calls: Iterable[Coroutine[object, object, object]]) -> None:
    """Await all; the first that fails cancels the others, and its error is raised."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for call in calls:
                tasks.create_task(call)
    except ExceptionGroup as group:
        raise group.exceptions[0] from group
