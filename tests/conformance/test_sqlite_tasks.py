"""Our runner on one SQLite file conforms."""

from __future__ import annotations

import atexit
import shutil
import tempfile

from anymq.testing.suites import TaskSuite
from anymq_sqlite.harness import SqliteHarness

FOLDER = tempfile.mkdtemp(prefix="anymq-sqlite-tasks-")
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)


class TestSqliteTasks(TaskSuite):
    """Jobs, results and messages in the same file."""

    harness = SqliteHarness
    url = f"sqlite:///{FOLDER}/tasks.db"
