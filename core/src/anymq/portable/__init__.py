"""What an application holds: concrete, the same on every backend."""

from __future__ import annotations

__all__: list[str] = []
