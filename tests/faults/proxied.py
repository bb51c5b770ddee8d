"""A server of a test's own, with a proxy before it by which its connections are cut."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import SERVICES, exports

__all__ = ["Proxied", "proxied"]

UP_S = 300
CALL_S = 120


class Proxied:
    """How to reach it, and what it tells of its clients."""

    def __init__(self, backend: str, folder: Path) -> None:
        self.backend = backend
        self._environ = {**os.environ, "ANYMQ_SERVICES_DIR": str(folder)}
        for name in list(self._environ):
            if name.startswith(f"ANYMQ_TEST_{backend.upper()}_"):
                del self._environ[name]  # the session's server, which others use

    def call(self, *arguments: str, limit_s: float = CALL_S) -> str:
        """What tools/services prints. Raises CalledProcessError."""
        return subprocess.run(
            [sys.executable, SERVICES, *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=limit_s,
            env=self._environ,
        ).stdout

    def variables(self) -> Mapping[str, str]:
        """The variables that say where it is."""
        return exports(self.call("env", self.backend))

    @property
    def url(self) -> str:
        """Through the proxy."""
        return self.variables()[f"ANYMQ_TEST_{self.backend.upper()}_PROXY_URL"]

    @property
    def direct_url(self) -> str:
        """Past the proxy."""
        return self.variables()[f"ANYMQ_TEST_{self.backend.upper()}_URL"]

    def control(self, verb: str) -> str:
        """Break or mend it."""
        return self.call("control", self.backend, verb)


@contextmanager
def proxied(backend: str, factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """Started for a block, then stopped and forgotten."""
    server = Proxied(backend, factory.mktemp("services"))
    try:
        server.call("up", "--proxy", backend, limit_s=UP_S)
        yield server
    finally:
        server.call("down", "--forget", backend)
