"""A stream to observe."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from anymq import App
from anymq.streams.handle import StreamHandle


@pytest.fixture
async def stream(app: App) -> AsyncIterator[StreamHandle[int]]:
    """A stream with the numbers from 0 to 199."""
    handle = app.stream("s", int)
    async with app:
        await handle.append_many(range(200))
        yield handle
