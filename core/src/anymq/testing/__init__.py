"""For tests: an application without a server, a clock to move, and the conformance kit."""

from __future__ import annotations

from anymq.testing.app_test import AppTest
from anymq.testing.fake_clock import FakeClock

__all__ = ["AppTest", "FakeClock"]
