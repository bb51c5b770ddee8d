"""The SQLite backend conforms, as a Broker and as a Stream, on a file of each suite's own."""

from __future__ import annotations

import atexit
import shutil
import tempfile

from anymq.testing.suites import BrokerSuite, StreamSuite
from anymq_sqlite.harness import SqliteHarness

FOLDER = tempfile.mkdtemp(prefix="anymq-sqlite-")
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)


class TestSqlite(BrokerSuite):
    """All checks of the Broker role."""

    harness = SqliteHarness
    url = f"sqlite:///{FOLDER}/broker.db"


class TestSqliteStreams(StreamSuite):
    """All checks of the Stream role."""

    harness = SqliteHarness
    url = f"sqlite:///{FOLDER}/stream.db"
