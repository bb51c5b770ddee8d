"""What core does for backends that lack it, over plain addresses and confirmed sends."""

from __future__ import annotations

__all__: list[str] = []
