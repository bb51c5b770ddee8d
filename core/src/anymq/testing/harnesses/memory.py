"""The memory backend's harness."""

from __future__ import annotations

from collections.abc import Mapping

from anymq.memory.space import space_named
from anymq.testing.harness import Disruption, Harness, Timings
from anymq.urls import parse_url

__all__ = ["MemoryHarness"]


class MemoryHarness(Harness):
    """Nothing to start or break but the space itself."""

    backend = "memory"
    is_in_process = True
    timings = Timings(lease_s=0.5)

    async def disrupt(self, how: Disruption) -> None:
        await self.set_outage("killed by the harness" if how == "kill" else None)

    async def set_outage(self, reason: str | None) -> None:
        space_named(self._space).outage = reason

    async def inspect(self) -> Mapping[str, int]:
        space = space_named(self._space)
        with space.lock:
            groups = [g for topic in space.topics.values() for g in topic.groups.values()]
            anonymous = [g for topic in space.topics.values() for g in topic.anonymous]
            wild = [group for _, group in space.wildcards]
            return {
                "consumers": sum(group.members for group in (*groups, *anonymous, *wild)),
                "anonymous": len(anonymous) + sum(group.name is None for group in wild),
            }

    @property
    def _space(self) -> str:
        return parse_url(self.url).host or "default"
