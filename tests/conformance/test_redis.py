"""The Redis backend conforms, on a real server: the short checks always, all of them when asked."""

from __future__ import annotations

from typing import ClassVar

import pytest

from anymq.testing.suites import BrokerSuite, StreamSuite
from anymq_redis.harness import RedisHarness

BOTH = ("DEL-01", "DEL-03", "DEL-11", "DEL-12", "MSG-01", "MSG-04", "MSG-05", "MSG-08")
BROKER = ("CFG-01", "CFG-02", "CFG-06", "CFG-08", "CFG-09", "CFG-12", "LIF-01", "LIF-03", "LIF-04")
BROKER += ("LIF-15", "DEL-14", "ACK-01", "ACK-05", "ACK-07", "GRP-01", "GRP-03", "GRP-09", "GRP-11")
BROKER += ("ORD-01", "ORD-02", "ORD-03", "ORD-04", "ORD-06")
BROKER += ("BAT-01", "BAT-02", "BAT-03", "RTY-01", "RTY-07", "TIM-03", "TIM-04", "CON-09", "OBS-03")
"""Under a minute with BOTH: what the interfaces promise on a server that nobody breaks."""


@pytest.mark.server("redis")
class TestRedis(BrokerSuite):
    """The short checks of the Broker role."""

    harness = RedisHarness
    only: ClassVar[tuple[str, ...]] = (*BOTH, *BROKER)


@pytest.mark.server("redis")
class TestRedisStreams(StreamSuite):
    """The short checks of the Stream role."""

    harness = RedisHarness
    only: ClassVar[tuple[str, ...]] = BOTH


@pytest.mark.long
@pytest.mark.exclusive
@pytest.mark.server("redis")
class TestAllOfRedis(BrokerSuite):
    """All checks of the Broker role; those of recovery break the server."""

    harness = RedisHarness


@pytest.mark.long
@pytest.mark.exclusive
@pytest.mark.server("redis")
class TestAllOfRedisStreams(StreamSuite):
    """All checks of the Stream role."""

    harness = RedisHarness
