"""How many messages wait for a group."""

from __future__ import annotations

from anymq_kafka.link import Link
from anymq_kafka.offsets import FIRST, LAST

__all__ = ["waiting_for"]


async def waiting_for(
    link: Link, topic: str, group: str, partitions: int, *, timeout_s: float
) -> int:
    """Offsets from the group's commits to the ends, of the topic and its retry companion.

    Counts what is in flight, and also what is settled behind an unsettled message.
    """
    offsets = link.clients.offsets
    lanes = (link.names.topic(topic), link.names.topic(topic, group))
    at = [(lane, number) for lane in lanes for number in range(partitions)]
    ends = await offsets.ends(at, LAST, timeout_s=timeout_s)
    begins = await offsets.ends(at, FIRST, timeout_s=timeout_s)
    there = await offsets.committed(link.names.group(topic, group), at, timeout_s=timeout_s)
    return sum(ends[one] - max(there.get(one, 0), begins[one]) for one in at)
