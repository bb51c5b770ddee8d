"""What handlers that fail leave behind."""

from __future__ import annotations

from anymq import App

__all__ = ["failures"]


async def failures(app: App, count: int = 1) -> list[str]:
    """The texts of the errors of so many dead letters."""
    entries = await app.dead_letters.entries("t", "g")
    assert len(entries) == count
    return [entry.message.meta.get("anymq-death-message", "") for entry in entries]
