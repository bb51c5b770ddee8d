"""What code may do: start tasks, catch, check, decode, name backends."""

from __future__ import annotations

import pytest

from tests.architecture import code
from tests.architecture.sources import Module, Rule, broken, everything, shipped

RAISED_ELSEWHERE = {
    "core/src/anymq/portable/single.py": "raised again if the task itself is being cancelled",
    "core/src/anymq/portable/slots.py": "raised again unless the abort was ours, of one handler",
    "core/src/anymq/portable/sync_app.py": "handed to the thread that waits, which raises it",
}
"""Files that catch a cancellation and raise it where no rule can see it; one place each."""
EVERYWHERE = (code.every_task_has_a_group, code.no_pickle)
"""What tests and tools keep to, too."""

CAUGHT = [
    (code.every_task_has_a_group, "import asyncio\nasyncio.create_task(f())"),
    (code.every_task_has_a_group, "asyncio.get_running_loop().create_task(f())"),
    (code.every_task_has_a_group, "def f(loop): loop.create_task(g())"),
    (code.every_task_has_a_group, "start = self._loop.create_task"),
    (code.every_task_has_a_group, "from asyncio import create_task as go"),
    (code.every_task_has_a_group, "import asyncio\nasyncio.ensure_future(f())"),
    (code.no_assert_is_shipped, "def f(x):\n    assert x > 0"),
    (code.no_base_http_middleware, "from starlette.middleware.base import BaseHTTPMiddleware"),
    (code.no_base_http_middleware, "class M(base.BaseHTTPMiddleware): ..."),
    (code.no_pickle, "import pickle"),
    (code.no_pickle, "def f():\n    from marshal import loads"),
    (code.no_cancellation_is_swallowed, "try: f()\nexcept BaseException: pass"),
    (code.no_cancellation_is_swallowed, "try: f()\nexcept: log()"),
    (code.no_cancellation_is_swallowed, "try: f()\nexcept (OSError, asyncio.CancelledError): g()"),
    (
        code.no_cancellation_is_swallowed,
        "try: f()\nexcept BaseException:\n    def g():\n        raise",
    ),
    (code.no_cancellation_is_swallowed, "with suppress(asyncio.CancelledError): f()"),
    (code.newsstand_names_no_backend, "if kind == 'redis': f()"),
    (code.newsstand_names_no_backend, "App('amqp://localhost/')"),
    (code.newsstand_names_no_backend, "App(f'kafka://{host}')"),
]
ALLOWED = [
    (code.every_task_has_a_group, "async with asyncio.TaskGroup() as g: g.create_task(f())"),
    (code.every_task_has_a_group, "class A:\n g: TaskGroup\n def f(self): self.g.create_task(h())"),
    (code.every_task_has_a_group, "async with running() as (x, group): group.create_task(f())"),
    (code.every_task_has_a_group, "def f(g: asyncio.TaskGroup | None): g.create_task(h())"),
    (
        code.no_cancellation_is_swallowed,
        "try: f()\nexcept BaseException:\n  g()\n  raise",
    ),
    (code.no_cancellation_is_swallowed, "try: f()\nexcept Exception: g()"),
    (code.no_cancellation_is_swallowed, "with suppress(OSError): f()"),
    (code.newsstand_names_no_backend, "def f():\n    'What redis:// means.'"),
    (code.newsstand_names_no_backend, "x = 'in memory of'"),
]


@pytest.mark.parametrize("rule", [getattr(code, name) for name in code.__all__])
def test_the_rule_holds(rule: Rule) -> None:
    """No module breaks it, in what is shipped or, where it matters there, in tests and tools."""
    found = broken(rule, everything() if rule in EVERYWHERE else shipped())
    if rule is code.no_cancellation_is_swallowed:
        found = _unexplained(found)

    assert "\n".join(found) == ""


@pytest.mark.parametrize(("rule", "source"), CAUGHT)
def test_the_rule_catches(rule: Rule, source: str) -> None:
    """Code that breaks the rule is found."""
    assert len(broken(rule, (Module.of(source, name="newsstand.sample"),))) == 1


@pytest.mark.parametrize(("rule", "source"), ALLOWED)
def test_the_rule_allows(rule: Rule, source: str) -> None:
    """What is right is left alone."""
    assert broken(rule, (Module.of(source, name="newsstand.sample"),)) == []


def test_every_rule_is_shown_to_catch() -> None:
    """A rule without an example that breaks it may be one that never fires."""
    assert {rule.__name__ for rule, _ in CAUGHT} == set(code.__all__)


def test_the_kit_may_assert_and_the_configuration_may_hold_a_default() -> None:
    """The two places with a rule of their own."""
    kit = Module.of("assert x", name="anymq.testing.suite")
    config = Module.of("URL = 'sqlite:///./anymq.db'", name="newsstand.config")

    assert broken(code.no_assert_is_shipped, (kit,)) == []
    assert broken(code.newsstand_names_no_backend, (config,)) == []


def test_an_explained_file_has_one_such_place_only() -> None:
    """The list of explained files does not cover what is added to them later."""
    path = next(iter(RAISED_ELSEWHERE))

    assert _unexplained([f"{path}:1: x", f"{path}:2: y", "other.py:3: z"]) == [
        f"{path}:2: y",
        "other.py:3: z",
    ]


def _unexplained(found: list[str]) -> list[str]:
    explained: set[str] = set()
    left = []
    for line in found:
        path = line.partition(":")[0]
        if path in RAISED_ELSEWHERE and path not in explained:
            explained.add(path)
        else:
            left.append(line)
    return left
