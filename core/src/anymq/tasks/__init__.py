"""Tasks: functions that run elsewhere or later, their results, and schedules. On any Broker."""

from __future__ import annotations

__all__: list[str] = []
