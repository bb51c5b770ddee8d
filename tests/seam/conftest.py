"""Fixtures of the seam: every scenario runs on every backend, over the narrow interface alone."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.seam.backends import BACKENDS, Backend
from tests.seam.seam import Seam


def _params() -> list[object]:
    return [
        pytest.param(
            backend,
            id=backend.name,
            marks=[pytest.mark.server(backend.server)] if backend.server else [],
        )
        for backend in BACKENDS
    ]


@pytest.fixture(params=_params())
def backend(request: pytest.FixtureRequest) -> Backend:
    """The backend that the test runs on."""
    found: Backend = request.param
    return found


@pytest.fixture
def url(backend: Backend, tmp_path: Path) -> str:
    """Where the backend is."""
    if backend.server is None:
        return backend.url.format(folder=tmp_path)
    return os.environ[f"ANYMQ_TEST_{backend.server.upper()}_URL"]


@pytest.fixture
async def seam(backend: Backend, url: str) -> AsyncIterator[Seam]:
    """The test's way to the backend. What the test leaves running fails it."""
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    seam = Seam(backend, url, uuid4().hex[:8])

    try:
        yield seam
    finally:
        await seam.aclose()

    assert not asyncio.all_tasks() - tasks - {asyncio.current_task()}
    assert not [t for t in set(threading.enumerate()) - threads if not _is_pooled(t)]


def _is_pooled(thread: threading.Thread) -> bool:
    """Whether a thread is the loop's own, which ends with the loop."""
    return thread.name.startswith("asyncio_")
