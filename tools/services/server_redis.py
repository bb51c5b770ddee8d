"""Redis from Debian's package."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from services import probe
from services.install import install_packages, run_quietly
from services.server import Command, Server

__all__ = ["RedisServer"]

_CONFIGURATION = """\
bind 127.0.0.1
port {port}
protected-mode yes
daemonize no
dir {data}
# Acknowledged entries survive a kill of the server: the framework's contract on Redis.
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
# Tests stall the server with DEBUG SLEEP.
enable-debug-command local
"""


class RedisServer(Server):
    """One Redis, its data in an append-only file."""

    name = "redis"
    start_limit_s = 20.0

    def is_installed(self) -> bool:
        return shutil.which("redis-server") is not None

    def install(self) -> None:
        install_packages(["redis-server"])

    def version(self) -> str:
        words = run_quietly(["redis-server", "--version"], limit_s=10).stdout.split()
        return next((word[2:] for word in words if word.startswith("v=")), "unknown")

    def prepare(self, ports: Mapping[str, int]) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        text = _CONFIGURATION.format(port=ports["main"], data=f'"{self.data}"')
        (self.home / "redis.conf").write_text(text, encoding="utf-8")

    def command(self, ports: Mapping[str, int]) -> Command:
        return Command(("redis-server", str(self.home / "redis.conf")), os.environ)

    def url(self, port: int) -> str:
        return f"redis://127.0.0.1:{port}/0"

    def is_healthy(self, ports: Mapping[str, int]) -> bool:
        return probe.redis(ports["main"])
