"""The configurations that the end-to-end tests run on. No test knows which one it got."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

__all__ = ["CONFIGURATIONS", "DURABLE", "Configuration"]


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a deployment says of its messaging."""

    name: str
    url: str
    """``{folder}`` becomes one of the test's own; a server's is found when the test runs."""
    is_durable: bool = True
    """Whether what was accepted outlives the process."""
    server: str | None = None

    def arguments(self, folder: Path) -> tuple[str, ...]:
        """What ``newsstand serve`` is told."""
        if self.server is not None:
            return ("--messaging", os.environ[f"ANYMQ_TEST_{self.server.upper()}_URL"])
        return ("--messaging", self.url.format(folder=folder))


_ALL = (
    Configuration("memory", "memory://newsstand", is_durable=False),
    Configuration("sqlite", "sqlite:///{folder}/messaging.db"),
)


def _parameters(*, durable_only: bool) -> list[object]:
    return [
        pytest.param(
            one,
            id=one.name,
            marks=[pytest.mark.server(one.server)] if one.server else [],
        )
        for one in _ALL
        if one.is_durable or not durable_only
    ]


CONFIGURATIONS = _parameters(durable_only=False)
DURABLE = _parameters(durable_only=True)
