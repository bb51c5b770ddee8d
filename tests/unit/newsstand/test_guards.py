"""What keeps others out: names, origins, sizes, headers; and how errors look."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from newsstand.desk import Desk
from newsstand.web.security_headers import HEADERS
from tests.unit.newsstand.conftest import Client

ADD = "/api/messenger/add"
HIRED = {"firstname": "Ada", "lastname": "Brook", "salary": 1200, "vendor_id": 2}


def _is_problem(response: httpx2.Response, status: int) -> bool:
    is_typed = response.headers["content-type"] == "application/problem+json"
    return is_typed and response.status_code == response.json()["status"] == status


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "x/../admin", "[::1", "localhost@evil", ""]
)
async def test_another_name_that_points_here_is_refused(
    client: httpx2.AsyncClient, host: str
) -> None:
    """A page that rebinds its name to this machine reads nothing."""
    assert _is_problem(await client.get("/api/messenger/list", headers={"Host": host}), 400)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000"])
async def test_our_own_names_are_served(client: httpx2.AsyncClient, host: str) -> None:
    """With any port: there may be a forwarded one."""
    assert (await client.get("/", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1", ""])
async def test_another_site_changes_nothing(client: httpx2.AsyncClient, origin: str) -> None:
    """A browser says which site a request comes from."""
    assert _is_problem(await client.post(ADD, json=HIRED, headers={"Origin": origin}), 403)


async def test_our_own_page_may(client: httpx2.AsyncClient) -> None:
    """Same name, same port."""
    response = await client.post(ADD, json=HIRED, headers={"Origin": "http://localhost"})

    assert response.status_code == 201


async def test_a_body_that_says_it_is_too_large_is_not_read(client: httpx2.AsyncClient) -> None:
    """By its own length."""
    assert _is_problem(await client.post(ADD, content=b"x" * 1_048_577), 413)


async def test_a_body_without_a_length_is_read_up_to_the_limit(client: httpx2.AsyncClient) -> None:
    """Not one chunk further than that."""
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(400):
            sent += 1
            yield b" " * 65_536

    headers = {"Content-Type": "application/json"}
    response = await client.post(ADD, content=chunks(), headers=headers)

    assert _is_problem(response, 413)
    assert sent == 17  # sixteen of them are the limit


async def test_two_lengths_are_none(client: httpx2.AsyncClient) -> None:
    """Request smuggling needs them."""
    headers = {"Content-Length": "2", "Transfer-Encoding": "chunked"}

    assert _is_problem(await client.post(ADD, content=b"{}", headers=headers), 400)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/static/../../settings.py", 404),
        ("GET", "/static/%2e%2e/settings.py", 404),
        ("DELETE", ADD, 405),
        ("TRACE", ADD, 405),
        ("POST", ADD, 422),
        ("GET", "/api/messenger/list?limit=1000000000", 422),
        ("GET", "/api/messenger/list?before=-1", 422),
    ],
)
async def test_every_error_is_a_problem(
    client: httpx2.AsyncClient, method: str, path: str, status: int
) -> None:
    """RFC 9457, with the guards' headers."""
    response = await client.request(method, path)

    assert _is_problem(response, status)
    assert {name: response.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"firstname": "A", "lastname": "B", "salary": NaN, "vendor_id": 1}',
        b'{"firstname": "A", "lastname": "B", "salary": 1e400, "vendor_id": 1}',
        b'{"firstname": "A", "lastname": "B", "salary": 1, "vendor_id": 9223372036854775808}',
        b'{"firstname": "A\\u0000", "lastname": "B", "salary": 1, "vendor_id": 1}',
        b'{"firstname": "  ", "lastname": "B", "salary": 1, "vendor_id": 1}',
        b'{"firstname": "\\ud800", "lastname": "B", "salary": 1, "vendor_id": 1}',
        b'\xff\xfe{"firstname"',
    ],
)
async def test_nonsense_is_the_clients_mistake(client: httpx2.AsyncClient, body: bytes) -> None:
    """400 or 422, never 500."""
    headers = {"Content-Type": "application/json"}
    response = await client.post(ADD, content=body, headers=headers)

    assert response.status_code in (400, 422)
    assert _is_problem(response, response.status_code)


async def test_json_that_says_it_is_text_is_not_taken(client: httpx2.AsyncClient) -> None:
    """A form of another site can send text/plain without asking first."""
    content = b'{"firstname": "A", "lastname": "B", "salary": 1, "vendor_id": 1}'
    response = await client.post(ADD, content=content, headers={"Content-Type": "text/plain"})

    assert _is_problem(response, 422)


async def test_an_unexpected_error_says_nothing_of_its_cause(
    desk: Desk, client_of: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither type nor text nor traceback; and the guards' headers are there."""

    async def broken(*, limit: int, before: int | None) -> None:
        raise RuntimeError("swordfish")

    monkeypatch.setattr(desk.messengers, "newest", broken)
    async with client_of(desk) as client:
        response = await client.get("/api/messenger/list")

    assert _is_problem(response, 500)
    assert "swordfish" not in response.text
    assert "RuntimeError" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_the_page_needs_nothing_from_elsewhere(client: httpx2.AsyncClient) -> None:
    """No other site, no script or style inside the page; every file it names is there."""
    page = (await client.get("/")).text
    script = (await client.get("/static/desk.js")).text

    assert "http" not in page.replace("http-equiv", "")
    assert "style=" not in page
    assert "innerHTML" not in script
    assert 'content="/api"' in page
    for name in ("desk.css", "desk.js", "api.js", "icon.svg"):
        assert (await client.get(f"/static/{name}")).status_code == 200
