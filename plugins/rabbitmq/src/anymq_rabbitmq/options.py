"""The options of the RabbitMQ backend, from the URL and the configuration."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from anymq.options import BackendOptions

__all__ = ["RabbitMQOptions"]


class RabbitMQOptions(BackendOptions):
    """How to reach a RabbitMQ node, and what may be asked of it.

    ``path`` is the virtual host; empty means ``/``. The scheme ``amqps`` encrypts and verifies.
    """

    host: str = "localhost"
    username: str | None = "guest"
    password: SecretStr | None = SecretStr("guest")
    scheme: Literal["amqp", "amqps", "rabbitmq"] = "amqp"
    """``rabbitmq`` is another word for ``amqp``."""
    tls_ca_file: str | None = None
    """The authorities to trust; None: those of the system."""
    tls_cert_file: str | None = None
    tls_key_file: str | None = None
    heartbeat_s: int = Field(default=5, ge=1, le=600)
    """A silent peer is given up after about three and a half times this."""
    queue_type: Literal["quorum", "classic"] = "quorum"
    """The queues of groups that are declared from now on. Classic ones are faster, exist once in a
    cluster, and do not count deliveries."""
    reconnect_max_s: float = Field(default=5.0, gt=0, le=300)
    """The longest pause between two attempts to connect again."""
    max_message_bytes: int = Field(default=16 * 1024 * 1024, ge=1024, le=128 * 1024 * 1024)
    """The largest body; the default is what RabbitMQ 4 accepts."""

    @property
    def effective_port(self) -> int:
        """The port, or the scheme's own."""
        return self.port or (5671 if self.scheme == "amqps" else 5672)

    @property
    def address(self) -> str:
        """Host and port for messages to people; never the credentials."""
        return f"{self.host}:{self.effective_port}"
