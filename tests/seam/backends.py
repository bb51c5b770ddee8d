"""The backends under the narrow interface, and how the seam builds their drivers from a URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from anymq.abc import BackendContext, Broker, Stream

__all__ = ["BACKENDS", "Backend", "backend_named"]


@dataclass(frozen=True, slots=True)
class Backend:
    """One backend: where its driver is, and how long it may take for what the seam waits for."""

    name: str
    module: str
    prefix: str
    server: str | None = None
    """The server that it needs; None: none."""
    url: str = ""
    """Where it is, for a backend without a server; ``{folder}`` becomes one of the test's own."""
    crash_options: Mapping[str, object] = field(default_factory=dict)
    """Options that make a dead consumer noticed soon."""
    takeover_s: float = 6.0
    """By when the messages of a dead consumer are with another one, under ``crash_options``."""
    late_s: float = 1.2
    """How late a delayed retry may be."""

    def broker(self, url: str, context: BackendContext, **options: object) -> Broker:
        """The unopened Broker."""
        driver: Any = _attribute(f"{self.module}.broker", f"{self.prefix}Broker")
        broker: Broker = driver(self._options(url, options), context)
        return broker

    def stream(self, url: str, context: BackendContext, **options: object) -> Stream:
        """The unopened Stream."""
        driver: Any = _attribute(f"{self.module}.stream", f"{self.prefix}Stream")
        stream: Stream = driver(self._options(url, options), context)
        return stream

    def _options(self, url: str, extra: Mapping[str, object]) -> object:
        model: Any = _attribute(f"{self.module}.options", f"{self.prefix}Options")
        return model(**from_url(url), **extra)


def from_url(url: str) -> dict[str, object]:
    """What core fills in from a URL; parts that the URL leaves out keep the model's defaults."""
    parts = urlsplit(url)
    found: dict[str, object] = {
        "scheme": parts.scheme,
        "host": parts.hostname,
        "port": parts.port,
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "path": unquote(parts.path.removeprefix("/")),
    }
    given = {name: value for name, value in found.items() if value}
    return given | dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))


def backend_named(name: str) -> Backend:
    """The backend of that name. Raises KeyError."""
    return {backend.name: backend for backend in BACKENDS}[name]


def _attribute(module: str, name: str) -> object:
    return getattr(import_module(module), name)


BACKENDS = (
    Backend(
        "memory",
        "anymq.memory",
        "Memory",
        url="memory://seam",
        crash_options={"lease_s": 2.0},
    ),
    Backend(
        "memory-bare",
        "anymq.memory",
        "Memory",
        url="memory://seam?native=none",
        crash_options={"lease_s": 2.0},
    ),
    Backend(
        "sqlite",
        "anymq_sqlite",
        "Sqlite",
        url="sqlite:///{folder}/seam.db",
        crash_options={"lease_s": 2.0},
    ),
    Backend(
        "redis",
        "anymq_redis",
        "Redis",
        server="redis",
        crash_options={"lease_s": 2.0},
    ),
    Backend("rabbitmq", "anymq_rabbitmq", "RabbitMQ", server="rabbitmq"),
    Backend(
        "kafka",
        "anymq_kafka",
        "Kafka",
        server="kafka",
        crash_options={"session_timeout_s": 6.0},
        takeover_s=15.0,
        late_s=2.0,
    ),
)
"""``memory-bare`` handles nothing itself, so that the way of a core that emulates is proved too."""
