"""Options of ``postgresql://user:password@host:port/database``."""

from __future__ import annotations

from typing import Any

from anymq.options import BackendOptions, Field

__all__ = ["PostgresOptions"]


class PostgresOptions(BackendOptions):
    """A PostgreSQL database that keeps jobs. It carries no messages."""

    host: str = "localhost"
    table_prefix: str = Field(default="anymq_", pattern=r"^[a-z][a-z0-9_]{0,30}$")
    pool_size: int = Field(default=10, ge=1, le=200)
    poll_s: float = Field(default=0.1, gt=0, le=10)
    """How often changes made by others are looked for, while somebody waits for them."""

    def sqlalchemy_url(self) -> Any:
        """As SQLAlchemy takes it; shown without the password."""
        from sqlalchemy.engine import URL

        return URL.create(
            "postgresql+asyncpg",
            self.username,
            self.secret("password"),
            self.host or "localhost",
            self.port or 5432,
            self.path or None,
        )
