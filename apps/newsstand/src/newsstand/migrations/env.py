"""How Alembic applies the migrations: all of them in one transaction, one process at a time."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine

from newsstand.tables import metadata

__all__ = ["run"]


def run() -> None:
    """Apply what is missing to the database that the command names."""
    engine = create_engine(context.config.attributes["url"])
    try:
        with engine.begin() as connection:
            # Take the right to write first, so that a second process waits and then finds it done.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            context.configure(
                connection=connection, target_metadata=metadata, transactional_ddl=True
            )
            with context.begin_transaction():
                context.run_migrations()
    finally:
        engine.dispose()


run()
