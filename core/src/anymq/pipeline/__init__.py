"""From a delivery to one Outcome: delivery, decode, middleware, handler, outcome."""

from __future__ import annotations

__all__: list[str] = []
