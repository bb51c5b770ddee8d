"""One file for each test, closed when it ends, with nothing left running."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.sqlite.bench import Bench


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the file is going to be."""
    return tmp_path / "anymq.db"


@pytest.fixture
async def bench(file: Path) -> AsyncIterator[Bench]:
    """Brokers, messages and a look inside. A thread that is left fails the test."""
    bench = Bench(file)

    try:
        yield bench
    finally:
        await bench.aclose()

    left = [thread.name for thread in threading.enumerate() if "sqlite" in thread.name]
    assert left == []
