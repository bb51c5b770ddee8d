"""A feed as server-sent events: heartbeats, resuming, and an end for clients that take nothing."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Header, Query
from pydantic import StringConstraints
from sse_starlette import EventSourceResponse, ServerSentEvent

from newsstand.live.follower import Follower

__all__ = ["LastEventId", "LastId", "live"]

# A client that takes nothing for so long is let go.
SEND_TIMEOUT_S = 5.0
# Watchers that lose us all at once come back spread over this time.
RECONNECT_MS = (1_000, 4_000)

_Position = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
LastEventId = Annotated[_Position | None, Header(alias="Last-Event-ID")]
"""As EventSource sends it when it comes back by itself."""
LastId = Annotated[_Position | None, Query(alias="last_event_id")]
"""The same from clients that open a new connection."""


def live(follower: Follower[Any], after: str | None, *, ping_s: float) -> EventSourceResponse:
    """Events from now on or, with the id of the last one that was seen, from there on.

    Raises FeedFull when nobody else may watch now.
    """
    follower.feed.check_room()
    return EventSourceResponse(_events(follower, after), ping=ping_s, send_timeout=SEND_TIMEOUT_S)


async def _events(follower: Follower[Any], after: str | None) -> AsyncIterator[ServerSentEvent]:
    retry_ms = random.randint(*RECONNECT_MS)  # noqa: S311 - spreads load, guards nothing
    async for event in follower.watch(after):
        retry = retry_ms if event.name == "hello" else None
        yield ServerSentEvent(event.data, event=event.name, id=event.position, retry=retry)
