"""Options of the Redis backend."""

from __future__ import annotations

from pydantic import field_validator

from anymq.options import BackendOptions, Field

__all__ = ["RedisOptions"]


class RedisOptions(BackendOptions):
    """``redis://[user:password@]host[:port]/database``; ``rediss://`` for TLS."""

    host: str = "localhost"
    scheme: str = "redis"
    request_timeout_s: float = Field(default=5.0, gt=0, le=300)
    lease_s: float = Field(default=10.0, ge=0.2, le=3600)
    """How long a delivery stays with its consumer without being kept; so long at most do others
    wait for what a killed process held."""
    anonymous_ttl_s: float = Field(default=300.0, ge=5, le=86400)
    """After how long the private group of a dead anonymous subscription is removed."""
    accept_volatile: bool = False
    """Use a server without append-only file, too: what was confirmed is lost when it stops."""
    max_message_bytes: int = Field(default=1_048_576, ge=1, le=128 * 1024 * 1024)
    max_batch: int = Field(default=500, ge=1, le=10_000)
    tls: bool = False
    """Set by the schemes ``rediss`` and ``valkeys``."""
    tls_ca_file: str | None = None
    """Whom to trust; None: whom the system trusts."""
    tls_cert_file: str | None = None
    tls_key_file: str | None = None
    tls_verify: bool = True
    """Check the server's certificate and its name. Turn it off in tests alone."""

    @field_validator("path")
    @classmethod
    def _is_database(cls, path: str) -> str:
        if path and not path.isdecimal():
            raise ValueError(
                f"{path!r} is no database: use a number, as in redis://localhost:6379/0"
            )
        return path

    @property
    def database(self) -> int:
        """The number of the database."""
        return int(self.path or 0)

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.tls or self.scheme in ("rediss", "valkeys")

    @property
    def address(self) -> str:
        """Where it is, for people; without credentials."""
        return f"{self.host}:{self.port or 6379}/{self.database}"
