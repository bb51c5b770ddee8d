"""The RabbitMQ backend conforms, on a real server: the short checks always, all when asked."""

from __future__ import annotations

from typing import ClassVar

import pytest

from anymq.testing.suites import BrokerSuite, StreamSuite
from anymq_rabbitmq.harness import RabbitMQHarness

BOTH = ("DEL-01", "DEL-03", "MSG-04", "MSG-05")
BROKER = ("ACK-05", "ACK-13", "BAT-02", "DEL-14", "GRP-01", "ORD-03", "TIM-06")
"""Half a minute with BOTH: what the interfaces promise on a server that nobody breaks."""


@pytest.mark.server("rabbitmq")
class TestRabbitMQ(BrokerSuite):
    """The short checks of the Broker role."""

    harness = RabbitMQHarness
    only: ClassVar[tuple[str, ...]] = (*BOTH, *BROKER)


@pytest.mark.server("rabbitmq")
class TestRabbitMQStreams(StreamSuite):
    """The short checks of the Stream role."""

    harness = RabbitMQHarness
    only: ClassVar[tuple[str, ...]] = BOTH


@pytest.mark.long
@pytest.mark.exclusive
@pytest.mark.server("rabbitmq")
class TestAllOfRabbitMQ(BrokerSuite):
    """All checks of the Broker role; those of recovery break the server."""

    harness = RabbitMQHarness


@pytest.mark.long
@pytest.mark.exclusive
@pytest.mark.server("rabbitmq")
class TestAllOfRabbitMQStreams(StreamSuite):
    """All checks of the Stream role."""

    harness = RabbitMQHarness
