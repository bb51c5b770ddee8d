"""The configurations that the end-to-end tests run on. No test knows which one it got."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

__all__ = ["BRIEF", "CONFIGURATIONS", "DURABLE", "Configuration"]


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a deployment says of its messaging."""

    name: str
    url: str = ""
    """``{folder}`` becomes one of the test's own. A server is found when the test runs: then this
    is what follows its URL, options that make a dead process noticed soon."""
    is_durable: bool = True
    """Whether what was accepted outlives the process."""
    server: str | None = None
    options: str = ""
    """What is added to a server's URL: takeovers that no test has to wait for."""

    def arguments(self, folder: Path) -> tuple[str, ...]:
        """What ``newsstand serve`` is told."""
        if self.server is not None:
            return (
                "--messaging",
                os.environ[f"ANYMQ_TEST_{self.server.upper()}_URL"] + self.options,
            )
        return ("--messaging", self.url.format(folder=folder))


_ALL = (
    Configuration("memory", "memory://newsstand", is_durable=False),
    Configuration("sqlite", "sqlite:///{folder}/messaging.db"),
    Configuration("redis", server="redis", options="?lease_s=2"),
    Configuration("rabbitmq", server="rabbitmq"),
    Configuration("kafka", server="kafka"),
)


def _parameters(*, durable_only: bool = False, brief: bool = False) -> list[object]:
    return [
        pytest.param(one, id=one.name, marks=_marks(one, brief=brief))
        for one in _ALL
        if one.is_durable or not durable_only
    ]


def _marks(one: Configuration, *, brief: bool) -> list[pytest.MarkDecorator]:
    if one.server is None:
        return []
    return [pytest.mark.server(one.server), *([pytest.mark.long] if brief else [])]


CONFIGURATIONS = _parameters()
BRIEF = _parameters(brief=True)
"""The same, on servers with the long tests only."""
DURABLE = _parameters(durable_only=True, brief=True)
