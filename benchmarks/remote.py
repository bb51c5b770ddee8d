"""Candidates on a server: each run in a child process, on a topic of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from benchmarks.measure import Sample
from benchmarks.processes import measure, run, run_pair
from benchmarks.servers import url_of

__all__ = ["Paced", "Remote"]

Call = tuple[str, Mapping[str, Any]]
"""A function of this package, and arguments beside url, topic and messages."""


@dataclass(frozen=True, slots=True)
class Remote:
    """One candidate of one backend."""

    backend: str
    call: str
    """What is measured, as ``module:function``."""
    options: Mapping[str, Any] = field(default_factory=dict)
    before: tuple[Call, ...] = ()
    """What is not measured: declaring, filling."""
    share: float = 1.0
    """Of the messages of the suite: less for the slow ones."""

    async def __call__(self, messages: int) -> Sample:
        """Measure it once."""
        url, topic = url_of(self.backend), f"bench-{uuid4().hex[:12]}"
        count = max(500, int(messages * self.share))
        try:
            for target, options in self.before:
                await run(target, url=url, topic=topic, **_counted(options, count))
            common = {"url": url, "topic": topic, "messages": count}
            sample = await measure(self.call, **common, **self.options)
            if ":consume" in self.call:
                await run(f"raw.{self.backend}:check_settled", **common)
            return sample
        finally:
            await run(f"raw.{self.backend}:remove", url=url, topic=topic)


@dataclass(frozen=True, slots=True)
class Paced:
    """How long messages take from publishing to their handler, in two processes."""

    backend: str
    module: str
    """Has ``receive_paced`` and ``send_paced``."""
    options: Mapping[str, Any] = field(default_factory=dict)
    before: tuple[Call, ...] = ()

    async def __call__(self, messages: int, per_second: float) -> dict[str, float]:
        """The percentiles of one run, in milliseconds."""
        url, topic = url_of(self.backend), f"bench-{uuid4().hex[:12]}"
        common = {"url": url, "topic": topic, "messages": messages, **self.options}
        try:
            for target, options in self.before:
                await run(target, url=url, topic=topic, **_counted(options, messages))
            return await run_pair(
                f"{self.module}:receive_paced",
                f"{self.module}:send_paced",
                common,
                {**common, "per_second": per_second},
            )
        finally:
            await run(f"raw.{self.backend}:remove", url=url, topic=topic)


def _counted(options: Mapping[str, Any], count: int) -> dict[str, Any]:
    """Arguments in which None for ``messages`` stands for as many as are measured."""
    return {name: count if value is None else value for name, value in options.items()}
