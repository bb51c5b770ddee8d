"""Our runner on RabbitMQ and Kafka, which keep no jobs: those are on Redis."""

from __future__ import annotations

import os
from typing import ClassVar

import pytest

from anymq.testing.suites import TaskSuite
from anymq_kafka.harness import KafkaHarness
from anymq_rabbitmq.harness import RabbitMQHarness

SHORT = ("TSK-11", "TSK-13")


class _OnRedis(TaskSuite):
    """Jobs on a Redis server."""

    def store(self) -> str:
        return os.environ["ANYMQ_TEST_REDIS_URL"]


@pytest.mark.server("rabbitmq")
@pytest.mark.server("redis")
class TestRabbitmqTasks(_OnRedis):
    """The short checks."""

    harness = RabbitMQHarness
    only: ClassVar[tuple[str, ...]] = SHORT


@pytest.mark.server("kafka")
@pytest.mark.server("redis")
class TestKafkaTasks(_OnRedis):
    """The short checks."""

    harness = KafkaHarness
    only: ClassVar[tuple[str, ...]] = SHORT


@pytest.mark.long
@pytest.mark.exclusive
@pytest.mark.server("rabbitmq")
@pytest.mark.server("redis")
class TestAllOfRabbitmqTasks(_OnRedis):
    """All checks of tasks."""

    harness = RabbitMQHarness


@pytest.mark.long
@pytest.mark.exclusive
@pytest.mark.server("kafka")
@pytest.mark.server("redis")
class TestAllOfKafkaTasks(_OnRedis):
    """All checks of tasks."""

    harness = KafkaHarness
