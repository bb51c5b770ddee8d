"""/sales: record what was sold, hold it against its quota, watch who falls short."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Query
from sse_starlette import EventSourceResponse

from newsstand.sales.models import Judged, NewSale, Sale
from newsstand.web.dependencies import TheDesk
from newsstand.web.live import LastEventId, LastId, live

__all__ = ["router"]

EVENTS = "text/event-stream"

router = APIRouter(prefix="/sales", tags=["sales"])


@router.post("/add", status_code=HTTPStatus.CREATED)
async def add(new: NewSale, desk: TheDesk) -> Sale:
    """Insert a day's sales of a publication and append them to the log of sales.

    409: the id is taken; 422: there is no such publication.
    """
    return await desk.sales.record(new)


@router.get(
    "/list/quota",
    response_model=list[Judged],
    responses={200: {"content": {EVENTS: {}}, "description": "All sales, or those to come, live"}},
)
async def quota(
    desk: TheDesk,
    accept: Annotated[str, Header()] = "",
    resumed: LastEventId = None,
    last_event_id: LastId = None,
) -> list[Judged] | EventSourceResponse:
    """Every sale held against its quota, by id; what is wrong with one is said beside the others.

    Asked for ``text/event-stream``: live, an event ``sale`` for each that is recorded from now on,
    or from the last id on.
    """
    if EVENTS in accept:
        return live(desk.sold, resumed or last_event_id, ping_s=desk.settings.ping_s)
    return [judged async for judged in desk.sales.judged()]


@router.get("/sse/alerts", response_class=EventSourceResponse)
async def alerts(
    desk: TheDesk, resumed: LastEventId = None, last_event_id: LastId = None
) -> EventSourceResponse:
    """Live: an event ``alert`` for each sale that fell short of its quota."""
    return live(desk.alerts, resumed or last_event_id, ping_s=desk.settings.ping_s)


@router.get("/list/alerts")
async def replay(desk: TheDesk, since: Annotated[date, Query()]) -> list[Judged]:
    """The alerts of all sales recorded since that day (UTC), judged anew from the log."""
    moment = datetime.combine(since, time(), UTC)
    return [judged async for judged in desk.sales.replay(moment)]
