"""Let these tests import the package that lies in tools/ and is never installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

__all__ = ["settings"]

_TOOLS = Path(__file__).resolve().parents[3] / "tools"
if str(_TOOLS) not in sys.path:
    sys.path.insert(0, str(_TOOLS))

from services.settings import Settings  # noqa: E402  (the path above must be set first)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a machine where nothing runs and nobody provides a server."""
    folders = {
        "ANYMQ_SERVICES_DIR": str(tmp_path / "services"),
        "ANYMQ_SERVICES_CACHE": str(tmp_path / "cache"),
    }
    return Settings.from_environ(folders)
