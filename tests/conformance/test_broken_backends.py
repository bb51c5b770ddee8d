"""The kit finds every lie of a Broker, and lets what the lie does not touch pass."""

from __future__ import annotations

import pytest

from anymq.plugins.registry import Registry
from anymq.testing.harness import Timings
from anymq.testing.harnesses.memory import MemoryHarness
from anymq.testing.result import CheckResult
from anymq.testing.runner import Runner, choose
from tests.conformance.broken import (
    asking,
    claims,
    dead_letters,
    groups,
    lifecycle,
    members,
    messages,
    receiving,
    sending,
    settling,
    timing,
)
from tests.conformance.broken.lie import LIES, Lie

__all__: list[str] = []

MODULES = (
    asking,
    claims,
    dead_letters,
    groups,
    lifecycle,
    members,
    messages,
    receiving,
    sending,
    settling,
    timing,
)

FIRST = frozenset(
    {
        "broken-acks-on-receipt",
        "broken-anonymous-is-shared",
        "broken-buffer-is-lost-on-close",
        "broken-burns-the-lease-in-its-buffer",
        "broken-charges-attempts",
        "broken-close-is-not-idempotent",
        "broken-dead-letter-changes-the-body",
        "broken-duplicates-silently",
        "broken-forgets-headers",
        "broken-hot-loops",
        "broken-ignores-delays",
        "broken-ignores-order-by-key",
        "broken-ignores-prefetch",
        "broken-leaks-a-consumer",
        "broken-loses-on-cancel",
        "broken-reorders-a-batch",
        "broken-results-in-the-wrong-order",
        "broken-retry-is-public",
        "broken-stale-hits-another",
        "broken-swallows-what-it-cannot-read",
    }
)
"""Tried in every run of the tests; the others, five minutes of them, with the long ones."""
EVERY = [
    pytest.param(lie, id=lie.name, marks=() if lie.name in FIRST else pytest.mark.long)
    for lie in LIES
]


MODEST = [lie for lie in LIES if lie.unharmed]
"""Those that leave other checks alone."""


@pytest.mark.parametrize("lie", EVERY)
async def test_a_lie_is_found(lie: Lie) -> None:
    """Each of the checks that are named for it fails."""
    results = await _run(lie, lie.caught_by, _Impatient)

    passed = [result.id for result in results if result.outcome != "failed"]
    assert not passed, f"{lie.says!r} passes {passed}"


@pytest.mark.parametrize("lie", MODEST[::20], ids=lambda lie: lie.name)
async def test_what_a_lie_does_not_touch_passes(lie: Lie) -> None:
    """A kit that failed everything would find every lie, too."""
    results = await _run(lie, lie.unharmed)

    failed = {result.id: result.reason for result in results if result.outcome == "failed"}
    assert not failed, f"{lie.says!r} fails {failed}"


async def test_a_backend_without_leases_passes() -> None:
    """It holds what it handed out for as long as it lives: nothing else is asked of it."""
    honest = Lie("in-nothing", "has no leases", (), members.Unleased)
    honest.options = members.NoLease

    (result,) = await _run(honest, ("CON-09",))

    assert (result.outcome, result.variant) == ("passed", "negative"), result.reason


def test_every_lie_is_collected() -> None:
    """What the modules name is what is tried, and the first ones are among them."""
    named = [name for module in MODULES for name in module.__all__]

    assert len(LIES) == len(named)
    assert {lie.name for lie in LIES} >= FIRST


class _Quick(MemoryHarness):
    """Memory needs less time than the kit gives."""

    timings = Timings(scale=0.4, lease_s=0.5)


class _Impatient(MemoryHarness):
    """Lies let checks wait in vain; the quiet window stays as long as it is elsewhere."""

    timings = Timings(scale=0.2, quiet_s=0.3, lease_s=0.4)


async def _run(
    lie: Lie, ids: tuple[str, ...], harness: type[MemoryHarness] = _Quick
) -> list[CheckResult]:
    registry = Registry()
    registry.register(lie, name=lie.name)
    runner = Runner(harness(f"{lie.name}://kit{lie.query}", registry=registry), registry)
    await runner.prepare()
    checks = choose(ids, families=("broker",))
    return [result async for result in runner.run(checks)]
