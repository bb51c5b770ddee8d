"""Other frameworks, each as its users write it. Measured where they are installed."""

from __future__ import annotations

__all__: list[str] = []
