"""Redis from Debian's package, and what goes for every server that speaks its protocol."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping

from services import probe
from services.errors import ServiceError
from services.install import install_packages, run_quietly
from services.server import PASSWORD, USER, Command, Server
from services.tls import has_openssl, missing_packages

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
user {user} on >{password} ~* &* +@all
"""

_TLS = """\
tls-port {tls}
tls-cert-file "{certificates.server}"
tls-key-file "{certificates.server_key}"
tls-ca-cert-file "{certificates.authority}"
tls-auth-clients optional
"""


class RedisServer(Server):
    """One Redis, its data in an append-only file."""

    name = "redis"
    port_names: tuple[str, ...] = ("main", "proxy", "tls")
    start_limit_s = 20.0

    @property
    def program(self) -> str:
        """The server's own program."""
        return "redis-server"

    def is_installed(self) -> bool:
        return has_openssl() and shutil.which(self.program) is not None

    def install(self, tell: Callable[[str], None]) -> None:
        install_packages([*missing_packages(), "redis-server"], tell)

    def version(self) -> str:
        words = run_quietly([self.program, "--version"], limit_s=10).stdout.split()
        return next((word[2:] for word in words if word.startswith("v=")), "unknown")

    def prepare(self, ports: Mapping[str, int]) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        text = _CONFIGURATION.format(
            port=ports["main"], data=f'"{self.data}"', user=USER, password=PASSWORD
        )
        if "tls" in self.port_names:
            self.certificates.make()
            text += _TLS.format(tls=ports["tls"], certificates=self.certificates)
        (self.home / "redis.conf").write_text(text, encoding="utf-8")

    def command(self, ports: Mapping[str, int]) -> Command:
        return Command((self.program, str(self.home / "redis.conf")), os.environ)

    def url(self, port: int) -> str:
        return f"redis://127.0.0.1:{port}/0"

    def is_healthy(self, ports: Mapping[str, int]) -> bool:
        return probe.redis(ports["main"])

    def revoke(self, ports: Mapping[str, int]) -> None:
        self._order(ports, f"ACL SETUSER {USER} off")
        self._order(ports, f"CLIENT KILL USER {USER}")

    def grant(self, ports: Mapping[str, int]) -> None:
        self._order(ports, f"ACL SETUSER {USER} on")

    def extra_environ(self, ports: Mapping[str, int]) -> dict[str, str]:
        login = f"{USER}:{PASSWORD}@127.0.0.1"
        variables = {"ANYMQ_TEST_REDIS_AUTH_URL": f"redis://{login}:{ports['main']}/0"}
        if "tls" in self.port_names:
            variables |= {
                "ANYMQ_TEST_REDIS_TLS_URL": f"rediss://127.0.0.1:{ports['tls']}/0",
                **self.certificates.variables("ANYMQ_TEST_REDIS_TLS"),
                "ANYMQ_TEST_REDIS_TLS_AUTH_URL": f"rediss://{login}:{ports['tls']}/0",
            }
        return variables

    def _order(self, ports: Mapping[str, int], command: str) -> None:
        reply = probe.redis_reply(ports["main"], command)
        if not reply.startswith(("+", ":")):
            raise ServiceError(f"{self.name} refuses {command}: {reply or 'no answer'}")
