"""Our runner on the memory backend conforms, also where core has to emulate everything."""

from __future__ import annotations

from anymq.testing.harnesses.memory import MemoryHarness
from anymq.testing.suites import TaskSuite


class TestMemoryTasks(TaskSuite):
    """All that the backend does itself."""

    harness = MemoryHarness
    url = "memory://kit-tasks"


class TestBareMemoryTasks(TaskSuite):
    """Delays, retries and dead letters are core's."""

    harness = MemoryHarness
    url = "memory://kit-bare-tasks?native=none"
