"""Context: where a handler runs, and the application's own state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from anymq.app import App

__all__ = ["Context"]

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Context(Generic[State]):
    """One per subscriber. ``state`` is what the App's lifespan yielded."""

    app: App
    state: State
    subscriber: str
    """The subscriber's name in configuration and health."""
    topics: tuple[str, ...]
    group: str | None
    items: dict[str, Any]
    """Kept as long as the subscriber runs; shared by its handlers."""
