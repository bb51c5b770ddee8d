"""AnyMQ on Apache Kafka. Importing it loads no client library."""

from __future__ import annotations

__all__: list[str] = []
