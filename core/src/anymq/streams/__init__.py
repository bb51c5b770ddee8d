"""Streams as applications hold them: appending, reading, and groups that share the partitions."""

from __future__ import annotations

__all__: list[str] = []
