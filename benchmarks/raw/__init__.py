"""Per backend the loop that an expert would write with the raw client."""

from __future__ import annotations

__all__: list[str] = []
