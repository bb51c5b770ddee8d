"""One receive that keeps its word: in time, and no more than was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from anymq.abc import Subscription
from anymq.message import Delivery
from anymq.testing.check import CheckFailed, expect

__all__ = ["receive_in_time"]


async def receive_in_time(
    subscription: Subscription, *, max_messages: int, wait_s: float, slack_s: float
) -> Sequence[Delivery]:
    """Receive; fail the check when it takes over ``wait_s + slack_s``, or gives too many."""
    try:
        async with asyncio.timeout(wait_s + slack_s):
            got = await subscription.receive(max_messages=max_messages, wait_s=wait_s)
    except TimeoutError as error:
        raise CheckFailed(
            f"receive(wait_s={wait_s:.3g}) did not return within {wait_s + slack_s:.3g} s"
            if not str(error)
            else f"receive raised TimeoutError: {error}"
        ) from None
    expect(isinstance(got, Sequence), f"receive gave {got!r}, not a sequence")
    expect(len(got) <= max_messages, f"receive(max_messages={max_messages}) gave {len(got)}")
    return got
