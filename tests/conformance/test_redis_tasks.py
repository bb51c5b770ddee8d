"""Our runner on a real Redis conforms, with the jobs on the same server."""

from __future__ import annotations

import pytest

from anymq.testing.suites import TaskSuite
from anymq_redis.harness import RedisHarness


@pytest.mark.server("redis")
class TestRedisTasks(TaskSuite):
    """Group M, and what the others ask of tasks."""

    harness = RedisHarness
    only = ("TSK", "ACK-07", "ACK-09", "RTY-18", "TIM-04", "TIM-06", "LIF-11")
