"""The kit finds every lie about tasks, and every check finds some lie."""

from __future__ import annotations

import pytest

from anymq.plugins.registry import Registry
from anymq.testing.harness import Timings
from anymq.testing.harnesses.memory import MemoryHarness
from anymq.testing.result import CheckResult
from anymq.testing.runner import Runner, choose
from tests.conformance.broken_tasks import carrying, keeping, timing
from tests.conformance.broken_tasks.lie import LIES, TaskLie

MODULES = (carrying, keeping, timing)
UNREACHED = {"ACK-02", "ACK-10", "CON-01", "LIF-11"}
"""They prove what our runner does, whatever a Broker or a store says: its records guard it."""
UNBROKEN = {"REC-01", "REC-02", "REC-08"}
"""They break what memory has not: connections and servers."""


@pytest.mark.parametrize("lie", LIES, ids=repr)
async def test_a_lie_is_found(lie: TaskLie) -> None:
    """Each of the checks that are named for it fails."""
    results = await _run(lie)

    passed = [result.id for result in results if result.outcome != "failed"]
    assert not passed, f"{lie.says!r} passes {passed}"


def test_every_check_finds_a_lie() -> None:
    """A check that nothing fails proves nothing."""
    checks = {check.id for check in choose(families=("tasks",))}
    finders = {check_id for lie in LIES for check_id in lie.caught_by}

    assert checks - finders == UNREACHED | UNBROKEN


def test_every_lie_is_collected() -> None:
    """What a module names is what is tried."""
    named = [getattr(module, name) for module in MODULES for name in module.__all__]

    assert {one for one in named if isinstance(one, TaskLie)} == set(LIES)


class _Impatient(MemoryHarness):
    """Lies let checks wait in vain: memory is quick enough for less."""

    timings = Timings(scale=0.2, quiet_s=0.3, lease_s=0.5)


async def _run(lie: TaskLie) -> list[CheckResult]:
    registry = Registry()
    registry.register(lie, name=lie.name)
    runner = Runner(_Impatient(f"{lie.name}://kit"), registry)
    await runner.prepare()
    checks = choose(lie.caught_by, families=("tasks",))
    return [result async for result in runner.run(checks)]
