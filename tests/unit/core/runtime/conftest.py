"""The memory space behind a URL, and the brokers that were opened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from anymq.memory.broker import MemoryBroker
from anymq.memory.space import Space, space_named


@pytest.fixture
def space(url: str) -> Space:
    """The memory space behind ``url``."""
    return space_named(url.removeprefix("memory://"))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[MemoryBroker]]:
    """Every memory broker that was opened; none may be left open."""
    brokers: list[MemoryBroker] = []
    open_ = MemoryBroker.open

    async def opening(self: MemoryBroker, events: Any) -> Any:
        brokers.append(self)
        return await open_(self, events)

    monkeypatch.setattr(MemoryBroker, "open", opening)
    yield brokers
    assert all(broker._closed for broker in brokers)
