"""The checks, one module per part of the conformance list; each registers itself when imported."""

from __future__ import annotations

__all__: list[str] = []
