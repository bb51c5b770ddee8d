"""Further health checks of an application, none of which can take it down."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from anymq.abc import Health

__all__ = ["run_checks"]

LIMIT_S = 2.0


async def run_checks(checks: Mapping[str, Callable[[], Any]]) -> dict[str, str]:
    """The status of each check by name; one that raises or takes too long is "down: why".

    They run at the same time: together they take no longer than the slowest.
    """
    async with asyncio.TaskGroup() as group:
        running = {name: group.create_task(_run(check)) for name, check in checks.items()}
    return {name: task.result() for name, task in running.items()}


async def _run(check: Callable[[], Any]) -> str:
    try:
        async with asyncio.timeout(LIMIT_S):
            result = check()
            if inspect.isawaitable(result):
                result = await result
    except Exception as error:  # noqa: BLE001 - health never raises
        return f"down: {type(error).__name__}"
    return _told(result) if isinstance(result, Health) else "up"


def _told(health: Health) -> str:
    """Its status; what is down says why."""
    is_told = health.status == "down" and health.detail
    return f"down: {health.detail}" if is_told else health.status
