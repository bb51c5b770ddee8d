"""A memory space of its own for every test, and applications on it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from anymq import App
from anymq.events import AppEvent
from anymq.memory import space as spaces


@pytest.fixture
def url() -> Iterator[str]:
    """A memory URL that nobody else has; its space is forgotten afterwards."""
    name = f"unit-{uuid.uuid4().hex}"
    yield f"memory://{name}"
    spaces._spaces.pop(name, None)


@pytest.fixture
def app(url: str) -> App:
    """An application on that URL."""
    return App(url)


@pytest.fixture
def events(app: App) -> list[AppEvent]:
    """Every event of ``app``."""
    heard: list[AppEvent] = []
    app.on_event(heard.append)
    return heard
