"""Options of ``kafka://HOST:PORT``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, SecretStr

from anymq.options import BackendOptions

__all__ = ["DEFAULT_PORT", "KafkaOptions"]

DEFAULT_PORT = 9092


class KafkaOptions(BackendOptions):
    """``kafka://h1:9092,h2:9092``: Apache Kafka 3.9 or newer. ``kafkas://`` speaks TLS."""

    host: str = "localhost"
    """One host, or several with their ports, comma-separated."""
    session_timeout_s: float = Field(default=10.0, ge=1, le=1800)
    """How long a dead consumer keeps its partitions. Within the broker's limits (6 s to 30 min)."""
    group_protocol: Literal["classic", "consumer"] = "classic"
    """"classic" has our session timeout; with "consumer" (KIP-848) the broker's applies (45 s)."""
    revoke_grace_s: float = Field(default=0.5, ge=0, le=60)
    """For handlers of partitions that go to another member to have what they finished committed."""
    max_message_bytes: int = Field(default=1_048_576, ge=1024)
    """The largest body. Topics that we declare accept it, whatever the broker's default is."""
    replication_factor: int = Field(default=-1, ge=-1)
    """Of topics that we declare; -1: the broker's default."""
    linger_ms: float = Field(default=1.0, ge=0, le=1000)
    """How long the producer waits for a batch to fill, in ms: without it the first message of what
    core sends at once travels alone, and the rest in many small requests."""
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "none"
    stream_prefix: str = "anymq.stream."
    """Before the names of streams, which are apart from topics; "" reads any topic as a stream."""
    tls: bool = False
    """Encrypt and verify; implied by the scheme ``kafkas``."""
    tls_ca_file: str | None = None
    tls_cert_file: str | None = None
    tls_key_file: str | None = None
    tls_key_password: SecretStr | None = None
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    """Used when the URL has a user name."""
    client: Mapping[str, str] = Field(default_factory=dict)
    """Further properties of librdkafka, as they are named there; they win over ours."""

    @property
    def bootstrap(self) -> str:
        """The servers as the client library wants them."""
        if "," in self.host:
            return self.host
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port or DEFAULT_PORT}"

    @property
    def uses_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.tls or self.scheme == "kafkas"
