"""What the tests of the Redis driver share: a real server, a name space of their own, a proxy."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.unit.redis.bench import Bench
from tests.unit.redis.proxy import Proxy


@pytest.fixture
def url() -> str:
    """The server."""
    return os.environ["ANYMQ_TEST_REDIS_URL"]


@pytest.fixture
async def bench(url: str) -> AsyncIterator[Bench]:
    """Brokers, messages and a look at the server; removes every key when the test ends."""
    bench = Bench(url, f"t{uuid4().hex[:8]}")
    try:
        yield bench
    finally:
        await bench.aclose()


@pytest.fixture
async def proxy(bench: Bench) -> AsyncIterator[Proxy]:
    """A proxy before the server that can stall and cut connections."""
    proxy = Proxy(bench.options().host, bench.options().port or 6379)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.aclose()
