"""For tests: an application without a server, a clock to move, and the conformance kit."""

from __future__ import annotations

from anymq.testing.app_test import AppTest
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.fake_clock import FakeClock
from anymq.testing.harness import Harness, Timings
from anymq.testing.harnesses.command import CommandHarness
from anymq.testing.suites import BrokerSuite, StreamSuite, TaskSuite

__all__ = [
    "AppTest",
    "BrokerSuite",
    "CheckFailed",
    "CommandHarness",
    "FakeClock",
    "Harness",
    "StreamSuite",
    "TaskSuite",
    "Timings",
    "check",
    "expect",
]
