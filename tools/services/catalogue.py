"""The kinds of server there are."""

from __future__ import annotations

from collections.abc import Sequence

from services.errors import UsageError
from services.server import Server
from services.server_kafka import KafkaServer
from services.server_postgres import PostgresServer
from services.server_rabbitmq import RabbitServer
from services.server_redis import RedisServer
from services.server_redis_wheels import Redis8Server, ValkeyServer
from services.settings import Settings

__all__ = ["DEFAULT_NAMES", "NAMES", "OWN_NAMES", "build", "known"]

_KINDS: dict[str, type[Server]] = {
    kind.name: kind
    for kind in (
        RedisServer,
        Redis8Server,
        ValkeyServer,
        RabbitServer,
        KafkaServer,
        PostgresServer,
    )
}
NAMES = tuple(_KINDS)
"""Every server, in the order of reports."""
OWN_NAMES = tuple(name for name, kind in _KINDS.items() if not kind.role)
"""Those that take no other's place in the tests."""
DEFAULT_NAMES = ("redis", "rabbitmq", "kafka")
"""What `up` starts when no name is given."""


def build(names: Sequence[str], settings: Settings) -> list[Server]:
    """Return the named servers, each once, in the order of the catalogue.

    Raises:
        UsageError: a name is unknown.
    """
    for name in names:
        if name not in _KINDS:
            raise UsageError(f"unknown server {name!r}: choose from {', '.join(NAMES)}")
    return [_KINDS[name](settings) for name in NAMES if name in names]


def known(settings: Settings) -> list[str]:
    """Return the names to report on: stand-ins only where they were started once."""
    homes = {name: settings.home(name) for name in NAMES}
    return [name for name, home in homes.items() if name in OWN_NAMES or home.exists()]
