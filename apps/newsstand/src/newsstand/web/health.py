"""/health: whether the process is worth keeping, and whether it does its work."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from newsstand.desk import Desk
from newsstand.web.dependencies import TheDesk

__all__ = ["Live", "Messaging", "Ready", "router"]

router = APIRouter(prefix="/health", tags=["health"])


class Live(BaseModel):
    live: bool


class Messaging(BaseModel):
    """The backend in use and its condition."""

    url: str
    """The broker's, without its secrets."""
    roles: dict[str, str]
    """The same for every role."""
    status: str
    detail: str
    subscribers: dict[str, str]


class Ready(BaseModel):
    ready: bool
    status: str
    """up, degraded or down."""
    messaging: Messaging
    database: str
    feed: str
    """live, or interrupted: what arrives is shown later."""
    watchers: int


@router.get("/live")
async def live(desk: TheDesk, response: Response) -> Live:
    """503 when the process should be replaced."""
    health = await desk.messaging.health()
    if not health.live:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Live(live=health.live)


@router.get("/ready")
async def ready(desk: TheDesk, response: Response) -> Ready:
    """503 when requests should go elsewhere for now; the body says why."""
    found = await _ready(desk)
    if not found.ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return found


async def _ready(desk: Desk) -> Ready:
    health = await desk.messaging.health()
    database = await desk.database_status()
    feeds = (desk.arrivals, desk.sold, desk.alerts)
    is_ready = health.ready and database == "up" and not desk.stop.is_set
    return Ready(
        ready=is_ready,
        status=health.status if is_ready else "down",
        messaging=Messaging(
            url=desk.roles["broker"],
            roles=dict(desk.roles),
            status=health.backend.status,
            detail=health.backend.detail,
            subscribers=health.subscribers,
        ),
        database=database,
        feed="live" if all(one.is_following for one in feeds) else "interrupted",
        watchers=sum(one.feed.watchers for one in feeds),
    )
