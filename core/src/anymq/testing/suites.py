"""The kit as pytest classes: ``class TestBroker(BrokerSuite): harness = MyHarness``."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from anymq.plugins.registry import Registry
from anymq.testing.check import Check
from anymq.testing.harness import Harness
from anymq.testing.result import CheckResult
from anymq.testing.runner import Runner, choose

__all__ = ["BrokerSuite", "ConformanceSuite", "StreamSuite", "TaskSuite"]


class ConformanceSuite:
    """One test per check id. Subclass one of the three below and name a harness."""

    harness: ClassVar[type[Harness]]
    family: ClassVar[str] = "broker"
    plugin: ClassVar[Any] = None
    """A plugin object that is not installed."""
    url: ClassVar[str] = ""
    """What the harness is made with; a harness may know its URL by itself."""
    only: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def checks(cls) -> list[Check]:
        """The checks of this suite."""
        return choose(cls.only, families=(cls.family,))

    def store(self) -> str:
        """URL of the job store, for a backend that keeps no jobs."""
        return ""

    def test_conformance(self, conformance_check: Check) -> None:
        """Run one check; its reason is the failure's message."""
        import pytest  # only those who run tests have it

        result = asyncio.run(self._run(conformance_check))
        if result.outcome == "skipped":
            pytest.skip(f"{result.id}: {result.reason}")
        if result.outcome == "failed":
            raise AssertionError(f"{result.id} ({result.variant}): {result.reason}")

    async def _run(self, check: Check) -> CheckResult:
        registry = Registry()
        if self.plugin is not None:
            registry.register(self.plugin, name=type(self).__name__)
        harness = self.harness(self.url, registry=registry)
        harness.store = self.store()
        harness.plugin = getattr(self.plugin, "__name__", "")
        runner = Runner(harness, registry)
        await runner.prepare()
        return await runner.run_one(check)


class BrokerSuite(ConformanceSuite):
    """The checks of the Broker role."""

    family = "broker"


class StreamSuite(ConformanceSuite):
    """The checks of the Stream role."""

    family = "stream"


class TaskSuite(ConformanceSuite):
    """The checks of the TaskRunner role."""

    family = "tasks"
