"""Let these tests import the package that lies in tools/ and is never installed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

__all__ = ["network", "settings"]

_TOOLS = Path(__file__).resolve().parents[3] / "tools"
if str(_TOOLS) not in sys.path:
    sys.path.insert(0, str(_TOOLS))

from services.settings import Settings  # noqa: E402  (the path above must be set first)

from tests.unit.tools.network import LIMIT_S, Network, listener  # noqa: E402  (as above)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a machine where nothing runs and nobody provides a server."""
    folders = {
        "ANYMQ_SERVICES_DIR": str(tmp_path / "services"),
        "ANYMQ_SERVICES_CACHE": str(tmp_path / "cache"),
    }
    return Settings.from_environ(folders)


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    """A network whose faults are healed and whose connections are reset in the end."""
    made = Network()
    async with listener(made.serve) as upstream, listener(made.accept) as proxied:
        made.proxy.upstream_port = upstream
        made.port = proxied
        yield made
        made.proxy.order("heal", None)
        made.proxy.order("cut", None)
        async with asyncio.timeout(LIMIT_S):
            await made.idle.wait()
