"""The database's version: bringing it up to date, and holding it against what is needed."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from newsstand.errors import SchemaError, StorageUnavailable

__all__ = ["check_schema", "current_version", "needed_version", "upgrade_schema"]

_MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"
_COMMAND = "newsstand db upgrade"


def upgrade_schema(url: str) -> tuple[str | None, str]:
    """Bring the database to the newest version, losing no row; the versions before and after.

    Blocks: not for the event loop. Several processes may do it at once.
    Raises StorageUnavailable.
    """
    before = current_version(url)
    try:
        command.upgrade(_config(url), "head")
    except OperationalError as error:
        raise StorageUnavailable(f"the database cannot be upgraded: {error.orig}") from error
    return before, needed_version()


def check_schema(url: str) -> None:
    """Blocks. Raises SchemaError unless the database is at the newest version."""
    found, needed = current_version(url), needed_version()
    if found == needed:
        return
    state = "has no tables of ours yet" if found is None else f"is at version {found}"
    raise SchemaError(f"the database {state}, this program needs {needed}: run '{_COMMAND}'")


def current_version(url: str) -> str | None:
    """The database's version; None for a new one, or one that older programs made. Blocks."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except OperationalError as error:
        raise StorageUnavailable(f"the database cannot be opened: {error.orig}") from error
    finally:
        engine.dispose()


def needed_version() -> str:
    """The newest version there is a migration for."""
    head = ScriptDirectory(str(_MIGRATIONS)).get_current_head()
    if head is None:
        raise SchemaError("this installation has no migrations")
    return head


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["url"] = url
    return config
