"""The kinds of server there are."""

from __future__ import annotations

from collections.abc import Sequence

from services.errors import UsageError
from services.server import Server
from services.server_kafka import KafkaServer
from services.server_postgres import PostgresServer
from services.server_rabbitmq import RabbitServer
from services.server_redis import RedisServer
from services.settings import Settings

__all__ = ["DEFAULT_NAMES", "NAMES", "build"]

_KINDS: dict[str, type[Server]] = {
    kind.name: kind for kind in (RedisServer, RabbitServer, KafkaServer, PostgresServer)
}
NAMES = tuple(_KINDS)
"""Every server, in the order of reports."""
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
