"""/messenger: add, send, list, and watch who arrives."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sse_starlette import EventSourceResponse
from starlette.responses import Response

from newsstand.messengers.flow import NEWSTOPIC
from newsstand.messengers.models import HiredMessenger, Identity, Messenger
from newsstand.web.dependencies import TheDesk
from newsstand.web.live import LastEventId, LastId, live

__all__ = ["Sent", "router"]

router = APIRouter(prefix="/messenger", tags=["messenger"])


class Sent(BaseModel):
    """The backend has the message."""

    message_id: str
    topic: str


@router.post("/add", status_code=HTTPStatus.CREATED)
async def add(hired: HiredMessenger, desk: TheDesk) -> Messenger:
    """Insert a messenger directly. 409: its id is taken; 422: there is no such vendor."""
    messenger = await desk.messengers.add(hired)
    await desk.flow.announce(messenger)
    return messenger


@router.post("/send", status_code=HTTPStatus.ACCEPTED)
@router.post("/kafka/send", status_code=HTTPStatus.ACCEPTED, summary="Send (the older path)")
async def send(hired: HiredMessenger, desk: TheDesk) -> Sent:
    """Publish a messenger; it is inserted exactly once, soon. 503: try again later."""
    await desk.messengers.check(hired)
    return Sent(message_id=await desk.flow.send(hired), topic=NEWSTOPIC)


@router.get("/list")
async def newest(
    desk: TheDesk,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[Identity | None, Query()] = None,
) -> list[Messenger]:
    """The newest messengers first; ``before`` an id for the next page. X-Total-Count: all."""
    response.headers["X-Total-Count"] = str(await desk.messengers.count())
    return await desk.messengers.newest(limit=limit, before=before)


@router.get("/sse/add", response_class=EventSourceResponse)
async def watch(
    desk: TheDesk, resumed: LastEventId = None, last_event_id: LastId = None
) -> EventSourceResponse:
    """Live: an event ``messenger`` for each that was added, from now on or, with the id of the last
    event that was seen (as EventSource sends it, or in the query), from there on, without a gap.

    ``hello`` comes first; ``gap`` tells how many (null: unknown) can no longer be told; ``lagged``
    (too slow: come back with the last id) or ``bye`` (the server stops) come last. Heartbeats are
    comments.
    """
    return live(desk.arrivals, resumed or last_event_id, ping_s=desk.settings.ping_s)
