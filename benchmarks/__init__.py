"""What AnyMQ costs above the raw client, measured in one run, interleaved, as ratios of medians."""

from __future__ import annotations

__all__: list[str] = []
