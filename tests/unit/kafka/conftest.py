"""What the tests of the Kafka driver share: a real broker, and a name space of their own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.unit.kafka.bench import Bench


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Brokers and messages of one test; what they made is removed when it ends."""
    bench = Bench(os.environ["ANYMQ_TEST_KAFKA_URL"], f"unit-{uuid4().hex[:8]}")
    try:
        yield bench
    finally:
        await bench.aclose()
