"""Making a database, upgrading an older one, and refusing one that is not up to date."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from newsstand.errors import SchemaError, StorageUnavailable
from newsstand.storage.schema import check_schema, current_version, needed_version, upgrade_schema
from newsstand.tables import metadata

OLDER = """
CREATE TABLE login (id INTEGER PRIMARY KEY, username VARCHAR(45) UNIQUE, password VARCHAR(45),
  user_type INTEGER);
CREATE TABLE vendor (id INTEGER PRIMARY KEY, rep_firstname VARCHAR(45), rep_lastname VARCHAR(45),
  rep_id VARCHAR(45), rep_date_employed DATE, account_name VARCHAR(45), account_number VARCHAR(45),
  date_consigned DATE, login_id INTEGER REFERENCES login (id));
CREATE TABLE messenger (id INTEGER PRIMARY KEY, firstname VARCHAR(45), lastname VARCHAR(45),
  salary DOUBLE, date_employed DATE, status INTEGER, vendor_id INTEGER REFERENCES vendor (id));
INSERT INTO login VALUES (7, 'old', 'plain', 1);
INSERT INTO vendor (id, account_name, login_id) VALUES (3, 'Old Press', 7);
INSERT INTO messenger VALUES (9, 'Olga', 'Old', 1200.5, '2020-02-29', 1, 3);
"""


def test_the_migrations_make_the_tables_that_the_program_uses(database_url: str) -> None:
    """Alembic finds no difference."""
    engine = create_engine(database_url)
    with engine.connect() as connection:
        difference = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()

    assert difference == []


def test_upgrading_twice_changes_nothing(tmp_path: Path) -> None:
    """The versions before and after are told."""
    url = f"sqlite:///{tmp_path}/new.db"

    assert upgrade_schema(url) == (None, needed_version())
    assert upgrade_schema(url) == (needed_version(), needed_version())
    check_schema(url)


def test_an_older_database_keeps_its_rows(tmp_path: Path) -> None:
    """Tables that are there are left as they are, the others are added."""
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as old:
        old.executescript(OLDER)
    old.close()

    upgrade_schema(f"sqlite:///{path}")

    with sqlite3.connect(path) as found:
        rows = found.execute("SELECT * FROM messenger").fetchall()
        logins = found.execute("SELECT * FROM login").fetchall()
        inbox = found.execute("SELECT count(*) FROM inbox").fetchone()
    found.close()
    assert rows == [(9, "Olga", "Old", 1200.5, "2020-02-29", 1, 3)]
    assert logins == [(7, "old", "plain", 1)]
    assert inbox == (0,)


async def test_several_may_upgrade_at_once(tmp_path: Path) -> None:
    """One does it, the others wait and find it done."""
    url = f"sqlite:///{tmp_path}/new.db"

    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(_upgrade_in_a_process(url))

    assert current_version(url) == needed_version()


async def _upgrade_in_a_process(url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "newsstand.cli", "db", "upgrade", "--database", url), stderr=PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(), timeout=50)
    assert process.returncode == 0, said


def test_a_database_that_is_not_up_to_date_is_refused(tmp_path: Path) -> None:
    """With the command that helps."""
    with pytest.raises(SchemaError, match="newsstand db upgrade"):
        check_schema(f"sqlite:///{tmp_path}/none.db")


def test_a_database_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """A folder that is not there."""
    with pytest.raises(StorageUnavailable, match="cannot be opened"):
        upgrade_schema(f"sqlite:///{tmp_path}/no/such/folder.db")
