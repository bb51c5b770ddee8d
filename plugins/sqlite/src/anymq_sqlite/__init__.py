"""AnyMQ on one SQLite file: durable, embedded, nothing to install."""

from __future__ import annotations

__all__: list[str] = []
