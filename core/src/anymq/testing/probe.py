"""Looks that checks share: what a backend has pending, and how its leases are shortened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anymq.abc import Subscription
from anymq.testing.bench import Bench
from anymq.testing.check import expect
from anymq.testing.collector import Seen
from anymq.testing.receiving import receive_in_time

__all__ = [
    "in_order_per_key",
    "is_settled",
    "nothing_more",
    "pending",
    "short_lease",
    "until_dead",
]


def short_lease(bench: Bench) -> dict[str, Any]:
    """The plugin option for a short lease, where the backend has leases."""
    if bench.capabilities.lease_s is None:
        return {}
    return {"lease_s": bench.harness.timings.lease_s}


async def nothing_more(bench: Bench, subscription: Subscription, complaint: str) -> None:
    """Fail with the complaint when something comes within the quiet window."""
    quiet_s = bench.harness.timings.quiet_s * bench.harness.timings.scale
    got = await receive_in_time(
        subscription, max_messages=50, wait_s=quiet_s, slack_s=bench.limit(2)
    )
    expect(not got, f"{complaint} ({len(got)} more)")


async def pending(bench: Bench, app: Any, topic: str) -> int:
    """What one group's only topic has in flight or ready, as the backend counts."""
    states = await app._lifecycle.engine.broker.management().groups(topic)
    return sum((state.in_flight or 0) + (state.ready or 0) for state in states)


async def is_settled(bench: Bench, app: Any, topic: str) -> bool:
    """Whether nothing is in flight or ready any more."""
    return await pending(bench, app, topic) == 0


async def until_dead(
    bench: Bench, app: Any, topic: str, count: int = 1, *, group: str = "g"
) -> list[Any]:
    """Wait for dead letters of a group; returns them."""

    async def has() -> bool:
        return len(await app.dead_letters.entries(topic, group)) >= count

    await bench.wait_async(has, f"{count} dead letter(s)", 10)
    return list(await app.dead_letters.entries(topic, group))


def in_order_per_key(seen: Sequence[Seen]) -> str:
    """The first place where a key's values do not grow; "" if there is none."""
    last: dict[str | None, Any] = {}
    for one in seen:
        if one.value <= last.get(one.key, one.value - 1):
            return f"{one.value} after {last[one.key]} of key {one.key!r}"
        last[one.key] = one.value
    return ""
