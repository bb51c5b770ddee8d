"""Where the App of a task is found: known once its declaration is in one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from anymq.errors import ConfigError

if TYPE_CHECKING:
    from anymq.tasks.client import TaskClient

__all__ = ["Owner"]


class Owner:
    """An App's or a Router's; a Router's leads to whoever includes it."""

    __slots__ = ("client",)

    def __init__(self) -> None:
        self.client: Callable[[], Coroutine[Any, Any, TaskClient]] | None = None

    async def get(self) -> TaskClient:
        """Raises ConfigError where there is no App, InvalidState where it does not run."""
        if self.client is None:
            raise ConfigError("this task belongs to a Router that no App includes")
        return await self.client()
