"""Runs checks one after the other, each within its limit, and looks for what they leave behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace

from anymq.abc import BackendContext
from anymq.capabilities import Capabilities, Support, describe
from anymq.config import RoleTarget, Settings, resolve_role
from anymq.errors import BackendUnavailable, ConfigError
from anymq.plugins.registry import Registry
from anymq.support.clock import SystemClock
from anymq.support.limits import within
from anymq.testing.bench import Bench
from anymq.testing.check import Check, CheckFailed, CheckFunction, all_checks
from anymq.testing.harness import Harness
from anymq.testing.leaks import check_footprint, footprint
from anymq.testing.refusals import REFUSALS
from anymq.testing.result import CheckResult, Report
from anymq.urls import parse_url

__all__ = ["Runner", "choose"]


class Runner:
    """One backend under test."""

    def __init__(self, harness: Harness, registry: Registry) -> None:
        self.harness = harness
        self.registry = registry
        harness.registry = registry

    async def prepare(self) -> Report:
        """Open the backend once to learn what it can do. Raises what ``open`` raises."""
        options = await self.harness.options()
        self._target = resolve_role(
            Settings(url=parse_url(options["url"])), "broker", self.registry
        )
        factory = self._target.descriptor.broker
        if factory is None:
            raise ConfigError(f"backend {self._target.descriptor.name!r} has no Broker to check")
        broker = factory(self._target.options, BackendContext(SystemClock(), client_id="kit"))
        limit_s = 60 * self.harness.timings.scale
        try:
            async with asyncio.timeout(limit_s):
                self.capabilities: Capabilities = await broker.open(lambda event: None)
        except TimeoutError:
            raise BackendUnavailable(f"open did not end within {limit_s:.3g} s") from None
        finally:
            async with within(10 * self.harness.timings.scale):  # the checks of LIF look at closing
                await broker.aclose(timeout_s=5.0)
        name = self._target.descriptor.name
        return Report(name, self.capabilities.server, describe(self.capabilities))

    @property
    def target(self) -> RoleTarget:
        """The backend's descriptor and options; after ``prepare``."""
        return self._target

    async def run(self, checks: Sequence[Check]) -> AsyncIterator[CheckResult]:
        """The results as they come."""
        for check in checks:
            yield await self.run_one(check)

    async def run_one(self, check: Check) -> CheckResult:
        """Run one check; whatever it raises is its failure, never the kit's."""
        if not self.harness.can_disrupt.issuperset(check.disrupts):
            return self._known(_unbreakable(check, self.harness))
        missing = [n for n in check.needs if self._level(n) is Support.UNSUPPORTED]
        variant = "negative" if missing else "positive"
        function = check.run
        if missing:
            found = check.negative or REFUSALS.get(missing[0])
            if found is None:
                reason = f"the kit has no negative variant for {missing[0]}"
                return CheckResult(check.id, check.family, "failed", "negative", reason)
            function = found
        bench = Bench(self.harness, self.registry, self.capabilities, family=check.family)
        began = time.monotonic()
        before = await footprint(self.harness)
        parts = (function,) if missing else (function, *check.further)
        reason = await self._attempt(_each(parts, bench), check)
        left = await self._close(bench, before)
        return self._known(
            CheckResult(
                check.id,
                check.family,
                "failed" if reason or left else "passed",
                variant,  # type: ignore[arg-type]
                reason or left,
                bench.sent,
                bench.seen,
                time.monotonic() - began,
            )
        )

    def _level(self, capability: str) -> Support:
        return self.capabilities.level(capability)

    async def _attempt(self, work: object, check: Check) -> str:
        limit = check.limit_s * self.harness.timings.scale
        try:
            async with asyncio.timeout(limit):
                await work  # type: ignore[misc]
        except CheckFailed as failure:
            return str(failure)
        except TimeoutError as error:
            return f"not done within {limit:.3g} s ({_where(error)})"
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return "something in the check was cancelled, and nobody had asked for it"
        except Exception as error:  # noqa: BLE001 - a broken backend may raise anything
            first = _first(error)
            if isinstance(first, CheckFailed):
                return str(first)
            return f"{type(first).__name__}: {first} ({_where(first)})"
        return ""

    async def _close(self, bench: Bench, before: object) -> str:
        try:
            async with asyncio.timeout(40 * self.harness.timings.scale):
                await bench.aclose()
        except Exception as error:  # noqa: BLE001 - closing must always end, and that is checked
            return f"closing failed: {type(error).__name__}: {error} ({_where(error)})"
        left = await check_footprint(before, self.harness, bench.orphans)  # type: ignore[arg-type]
        return f"left behind: {left}" if left else ""

    def _known(self, result: CheckResult) -> CheckResult:
        reason = self.harness.known_failures.get(result.id)
        if reason is None:
            return result
        if result.outcome == "failed":
            return replace(result, outcome="skipped", reason=f"known failure: {reason}")
        text = f"passes, although it is listed as a known failure ({reason}): take it off the list"
        return replace(result, outcome="failed", reason=text)


def _unbreakable(check: Check, harness: Harness) -> CheckResult:
    """Skipped where there is nothing to break; elsewhere whoever runs the kit has to see to it."""
    if harness.is_in_process:
        reason = "it lives in this process: no connection can be cut, no server restarted"
        return CheckResult(check.id, check.family, "skipped", "positive", reason)
    verbs = sorted(set(check.disrupts) - harness.can_disrupt)
    reason = f"the harness cannot {', '.join(verbs)}: {harness.remedy}"
    return CheckResult(check.id, check.family, "failed", "positive", reason)


async def _each(parts: Sequence[CheckFunction], bench: Bench) -> None:
    """One part after the other; the first that fails ends it."""
    for part in parts:
        await part(bench)


def choose(only: Collection[str] = (), *, families: Collection[str]) -> list[Check]:
    """The checks of some families; ``only``: ids or groups (ACK-05, ACK). Raises ConfigError."""
    checks = [check for check in all_checks() if check.family in families]
    if not only:
        return checks
    wanted = {text.strip().upper() for text in only if text.strip()}
    known = {check.id for check in checks} | {check.group for check in checks}
    unknown = sorted(wanted - known)
    if unknown:
        raise ConfigError(f"no check is called {unknown[0]!r}; see --help for the list")
    return [check for check in checks if check.id in wanted or check.group in wanted]


def _first(error: BaseException) -> BaseException:
    """The error itself, or the first one that a task group found."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _where(error: BaseException) -> str:
    """The innermost line of the kit or the plugin that the error passed through."""
    trace = error.__traceback__
    last = ""
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if "asyncio" not in name:
            last = f"{name.rpartition('/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return last
