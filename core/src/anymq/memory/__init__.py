"""The reference backend: queues in this process. Nothing survives it, and it says so."""

from __future__ import annotations

__all__: list[str] = []
