"""The Kafka backend conforms, on a real broker: the short checks always, all of them when asked."""

from __future__ import annotations

from typing import ClassVar

import pytest

from anymq.testing.suites import BrokerSuite, StreamSuite
from anymq_kafka.harness import KafkaHarness

BOTH = ("DEL-01", "DEL-03", "DEL-11", "DEL-12", "MSG-01", "MSG-04", "MSG-05", "MSG-08")
BROKER = ("CFG-01", "CFG-02", "CFG-06", "CFG-08", "CFG-09", "CFG-12")
BROKER += ("ACK-05", "GRP-01", "ORD-01", "BAT-02", "RTY-01", "TIM-04")
"""Under a minute with BOTH: what the interfaces promise on a broker that nobody breaks."""


@pytest.mark.server("kafka")
class TestKafka(BrokerSuite):
    """The short checks of the Broker role."""

    harness = KafkaHarness
    only: ClassVar[tuple[str, ...]] = (*BOTH, *BROKER)


@pytest.mark.server("kafka")
class TestKafkaStreams(StreamSuite):
    """The short checks of the Stream role."""

    harness = KafkaHarness
    only: ClassVar[tuple[str, ...]] = BOTH


@pytest.mark.long
@pytest.mark.exclusive
@pytest.mark.server("kafka")
class TestAllOfKafka(BrokerSuite):
    """All checks of the Broker role; those of recovery break the server."""

    harness = KafkaHarness


@pytest.mark.long
@pytest.mark.exclusive
@pytest.mark.server("kafka")
class TestAllOfKafkaStreams(StreamSuite):
    """All checks of the Stream role."""

    harness = KafkaHarness
