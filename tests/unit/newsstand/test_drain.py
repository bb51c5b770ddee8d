"""What still runs when the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx2
import pytest
from starlette.types import Message, Receive, Scope, Send

from newsstand.serving.stop import Stop
from newsstand.web.drain import Drain


async def _never_ends(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.Event().wait()


async def _starts_and_never_ends(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await asyncio.Event().wait()


async def _fails(scope: Scope, receive: Receive, send: Send) -> None:
    raise TimeoutError("its own")


def _get(app: Drain) -> Awaitable[httpx2.Response]:
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost")
    return asyncio.wait_for(client.get("/"), timeout=5)


@pytest.mark.parametrize("end", [Stop.set, Stop.hurry])
async def test_a_request_that_does_not_end_is_answered(end: Callable[[Stop], None]) -> None:
    """503, after the grace, or at once when there is hurry."""
    stop = Stop()
    app = Drain(_never_ends, stop=stop, grace_s=0.01 if end is Stop.set else 60.0)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(_request(app))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(end, stop)

    response = task.result()
    assert response.status_code == 503
    assert response.headers["connection"] == "close"


async def _request(app: Drain) -> httpx2.Response:
    return await _get(app)


async def test_one_that_comes_later_gets_no_more_time_than_the_others() -> None:
    """The grace began with the stop."""
    stop = Stop()
    app = Drain(_never_ends, stop=stop, grace_s=0.0)
    stop.set()

    assert (await _get(app)).status_code == 503


async def test_an_answer_that_has_begun_is_not_answered_twice() -> None:
    """It is cut: the server sees the application end without the rest."""
    stop = Stop()
    app = Drain(_starts_and_never_ends, stop=stop, grace_s=0.0)
    stop.set()
    sent: list[str] = []

    async def send(message: Message) -> None:
        sent.append(message["type"])

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    await asyncio.wait_for(app({"type": "http"}, receive, send), timeout=5)

    assert sent == ["http.response.start"]


async def test_a_time_limit_of_the_applications_own_is_its_own() -> None:
    """Only ours is a refusal."""
    with pytest.raises(TimeoutError, match="its own"):
        await _get(Drain(_fails, stop=Stop()))
