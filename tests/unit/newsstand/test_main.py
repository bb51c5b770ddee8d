"""What servers and tools import."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from fastapi import FastAPI

from anymq import App


def test_importing_it_opens_nothing() -> None:
    """The application for servers, the messaging for the commands of anymq."""
    main = import_module("newsstand.main")

    assert isinstance(main.app, FastAPI)
    assert isinstance(main.messaging, App)
    assert main.messaging.state == "new"
    assert not list(Path().iterdir())
