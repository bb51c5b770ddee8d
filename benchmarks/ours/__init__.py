"""AnyMQ through its public API, with the same body, handler and batches as the raw loops."""

from __future__ import annotations

__all__: list[str] = []
