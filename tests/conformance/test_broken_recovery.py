"""The kit finds what goes wrong when connections break, and says it of nobody else.

The checks kill and empty their server: they get one of their own, with a proxy before it.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest

from anymq.plugins.registry import Registry
from anymq.portable.consumer import Consumer
from anymq.testing.harness import Timings
from anymq.testing.result import CheckResult
from anymq.testing.runner import Runner, choose
from anymq_redis.harness import RedisHarness
from tests.conformance.broken_recovery import members, sending
from tests.conformance.broken_recovery.lie import HONEST, LIES, Lie
from tests.servers import exports, services

__all__: list[str] = []

pytestmark = pytest.mark.server("redis")

MODULES = (members, sending)
FIRST = {
    ("broken-confirms-what-it-cannot-know", "REC-06"),
    ("broken-leaves-its-queue-gone", "REC-09"),
    ("broken-subscribes-to-nothing", "REC-05"),
}
"""Tried in every run of the tests; the others, a minute of them, with the long ones."""
QUICK = {"REC-05", "REC-09"}
CASES = [
    pytest.param(
        one,
        check_id,
        id=f"{one.name}-{check_id}",
        marks=[] if (one.name, check_id) in FIRST else [pytest.mark.long],
    )
    for one in LIES
    for check_id in one.caught_by
]


@pytest.fixture(scope="module")
def proxy_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of this module's own, reached through its proxy."""
    patch = pytest.MonkeyPatch()
    patch.setenv("ANYMQ_SERVICES_DIR", str(tmp_path_factory.mktemp("services")))
    for name in [name for name in os.environ if name.startswith("ANYMQ_TEST_REDIS_")]:
        patch.delenv(name)  # the session's server, which others use
    try:
        services("up", "--proxy", "redis")
        for name, value in exports(services("env", "redis")).items():
            patch.setenv(name, value)
        yield os.environ["ANYMQ_TEST_REDIS_PROXY_URL"]
    finally:
        services("down", "--forget", "redis")
        patch.undo()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("lie", "check_id"), CASES)
async def test_a_lie_is_found(proxy_url: str, lie: Lie, check_id: str) -> None:
    """The check fails, and for the reason that the lie is; liars may leave connections behind."""
    result = await _run(lie, proxy_url, check_id)
    gc.collect()  # here, not in the test of somebody honest

    assert result.outcome == "failed", f"{lie.says!r} passes {check_id}"
    assert lie.caught_by[check_id] in result.reason


@pytest.mark.long
async def test_a_core_that_hides_a_dead_loop_is_found(
    proxy_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A consumer whose loop ended without a word is a zombie."""
    monkeypatch.setattr(Consumer, "_fatal", lambda self, error: None)

    result = await _run(HONEST, proxy_url, "REC-12")

    assert (result.outcome, "a zombie" in result.reason) == ("failed", True), result.reason


@pytest.mark.parametrize(
    "check_id",
    [
        pytest.param(check_id, marks=[] if check_id in QUICK else [pytest.mark.long])
        for check_id in ("REC-02", "REC-04", "REC-05", "REC-06", "REC-08", "REC-09")
    ],
)
async def test_what_is_honest_passes(proxy_url: str, check_id: str) -> None:
    """The same backend without a lie, at the same limits."""
    result = await _run(HONEST, proxy_url, check_id)

    assert result.outcome == "passed", result.reason


async def test_a_verb_that_is_missing_fails(
    proxy_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a backend in this process is skipped; elsewhere the variable to set is named."""
    monkeypatch.delenv("ANYMQ_TEST_REDIS_CONTROL")

    result = await _run(HONEST, proxy_url, "REC-02")

    assert result.outcome == "failed"
    assert "cut" in result.reason
    assert "ANYMQ_TEST_REDIS_CONTROL" in result.reason


def test_every_check_finds_a_lie() -> None:
    """A check that nothing fails proves nothing; what a module names is what is tried."""
    checks = {check.id for check in choose(["REC"], families=("broker",))}
    named = [name for module in MODULES for name in module.__all__]

    assert {check_id for one in LIES for check_id in one.caught_by} == checks
    assert len(LIES) == len(named)


class _Impatient(RedisHarness):
    """A server on this machine is quick enough for less; lies let checks wait in vain."""

    timings = Timings(detect_s=2.0, resume_s=2.5)


async def _run(lie: Lie, proxy_url: str, check_id: str) -> CheckResult:
    registry = Registry()
    registry.register(lie, name=lie.name)
    address = proxy_url.partition("://")[2]
    harness = _Impatient(f"{lie.name}://{address}?request_timeout_s=1", registry=registry)
    runner = Runner(harness, registry)
    await runner.prepare()
    (check,) = choose([check_id], families=("broker",))
    return await runner.run_one(check)
