"""Running: tasks, shutdown, health, the process."""

from __future__ import annotations

__all__: list[str] = []
