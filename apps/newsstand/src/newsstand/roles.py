"""Which messaging backend serves which role: the deployment's choice, handed to anymq as it is."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from anymq.config import Settings
from anymq.config import load_settings as load_messaging_settings
from newsstand.settings import NewsstandSettings

__all__ = ["messaging_settings", "role_urls"]


def messaging_settings(settings: NewsstandSettings) -> Settings:
    """What anymq reads from its own file and variables, with our URLs. Raises ConfigError."""
    tasks = {"url": _text(settings.tasks), "store": _text(settings.tasks_store)}
    roles: dict[str, dict[str, Any]] = {
        "broker": {"url": _text(settings.broker)},
        "tasks": tasks,
        "stream": {"url": _text(settings.stream)},
    }
    given = {
        role: {key: url for key, url in table.items() if url is not None}
        for role, table in roles.items()
    }
    return load_messaging_settings(
        url=settings.messaging_url, **{role: table for role, table in given.items() if table}
    )


def role_urls(settings: Settings) -> dict[str, str]:
    """The URL of each role, without its secrets."""
    return {
        "broker": str(settings.broker.url or settings.url),
        "tasks": str(settings.tasks.url or settings.url),
        "stream": str(settings.stream.url or settings.url),
    }


def _text(url: SecretStr | None) -> str | None:
    return None if url is None else url.get_secret_value()
