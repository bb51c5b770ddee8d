"""Settings of the topics that we make."""

from __future__ import annotations

__all__ = ["topic_config"]

_SEGMENTS = 4
"""Only whole segments are deleted: several of them per limit, so that it is kept closely."""
_MIN_SEGMENT_BYTES = 1_048_576
_MAX_SEGMENT_BYTES = 1_073_741_824


def topic_config(
    record_bytes: int, *, max_age_s: float | None = None, max_bytes: int | None = None
) -> dict[str, str]:
    """A topic that takes our largest record, whatever the broker's default, and these limits.

    ``max_bytes`` is for one partition.
    """
    config = {"max.message.bytes": str(record_bytes)}
    if max_age_s is not None:
        age_ms = int(max_age_s * 1000)
        config["retention.ms"] = str(age_ms)
        config["segment.ms"] = str(max(age_ms // _SEGMENTS, 1000))
    if max_bytes is not None:
        segment = min(max(max_bytes // _SEGMENTS, _MIN_SEGMENT_BYTES), _MAX_SEGMENT_BYTES)
        config["retention.bytes"] = str(max_bytes)
        config["segment.bytes"] = str(max(segment, record_bytes))
    return config
