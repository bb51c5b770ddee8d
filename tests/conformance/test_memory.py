"""The memory backend's Broker conforms, also where core has to emulate everything."""

from __future__ import annotations

from anymq.testing.harnesses.memory import MemoryHarness
from anymq.testing.suites import BrokerSuite


class TestMemory(BrokerSuite):
    """All that the backend does itself."""

    harness = MemoryHarness
    url = "memory://kit-suite"


class TestBareMemory(BrokerSuite):
    """Core does whatever it can do for a backend that only sends, receives and acknowledges."""

    harness = MemoryHarness
    url = "memory://kit-bare-suite?native=none"
