"""The memory backend's Stream conforms, also where core has to emulate everything."""

from __future__ import annotations

from anymq.testing.harnesses.memory import MemoryHarness
from anymq.testing.suites import StreamSuite


class TestMemoryStreams(StreamSuite):
    """All that the backend does itself."""

    harness = MemoryHarness
    url = "memory://kit-streams"


class TestBareMemoryStreams(StreamSuite):
    """Streams depend on nothing that core emulates for topics."""

    harness = MemoryHarness
    url = "memory://kit-bare-streams?native=none"
