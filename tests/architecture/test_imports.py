"""Imports point one way: apps -> portable -> abc <- plugins."""

from __future__ import annotations

import pytest

from tests.architecture import imports
from tests.architecture.sources import Module, Rule, broken, shipped

CAUGHT = [
    (imports.plugins_use_what_authors_may_use, "anymq_redis.x", "from anymq import App"),
    (imports.plugins_use_what_authors_may_use, "anymq_redis.x", "import anymq"),
    (imports.plugins_use_what_authors_may_use, "anymq_redis.x", "import anymq.pipeline.call"),
    (imports.plugins_use_what_authors_may_use, "anymq_redis.x", "from anymq.config import load"),
    (imports.plugins_use_what_authors_may_use, "anymq_redis.x", "from anymq.testing import Kit"),
    (imports.plugins_use_what_authors_may_use, "anymq_redis.x", "import anymq_kafka"),
    (imports.memory_is_a_plugin_like_any_other, "anymq.memory", "from anymq.urls import parse"),
    (imports.memory_is_a_plugin_like_any_other, "anymq.memory.x", "def f():\n import anymq.app"),
    (imports.abc_is_narrow, "anymq.abc.broker", "from anymq.portable.app import App"),
    (imports.abc_is_narrow, "anymq.abc.broker", "from anymq.support.backoff import Backoff"),
    (imports.foundations_know_nothing_above, "anymq.message", "from anymq.app import App"),
    (imports.foundations_know_nothing_above, "anymq.support.x", "import anymq.plugins.loader"),
    (imports.core_knows_no_plugin, "anymq.app", "def f():\n import anymq_redis.broker"),
    (imports.core_knows_no_plugin, "anymq.app", "from newsstand import main"),
    (imports.core_knows_no_plugin, "anymq.app", "import redis.asyncio"),
    (imports.newsstand_uses_what_is_public, "newsstand.x", "from anymq.abc import Broker"),
    (imports.newsstand_uses_what_is_public, "newsstand.x", "from anymq.app import _private"),
    (imports.newsstand_uses_what_is_public, "newsstand.x", "import anymq_redis"),
    (imports.newsstand_uses_what_is_public, "newsstand.x", "import aio_pika"),
]
ALLOWED = [
    (imports.plugins_use_what_authors_may_use, "anymq_redis.x", "from anymq.abc import Broker"),
    (imports.plugins_use_what_authors_may_use, "anymq_redis.x", "from anymq import abc, errors"),
    (imports.plugins_use_what_authors_may_use, "anymq_redis.x", "import anymq_redis.y, redis"),
    (imports.plugins_use_what_authors_may_use, "anymq.app", "from anymq.config import load"),
    (imports.memory_is_a_plugin_like_any_other, "anymq.memory.x", "import anymq.memory.space"),
    (imports.abc_is_narrow, "anymq.abc.broker", "from anymq.abc.events import Event"),
    (imports.core_knows_no_plugin, "anymq.app", "import anymq.memory"),
    (imports.newsstand_uses_what_is_public, "newsstand.x", "from anymq import App"),
    (imports.newsstand_uses_what_is_public, "newsstand.x", "from anymq.errors import Busy"),
]


@pytest.mark.parametrize("rule", [getattr(imports, name) for name in imports.__all__])
def test_the_rule_holds(rule: Rule) -> None:
    """No module of any distribution breaks it."""
    assert "\n".join(broken(rule, shipped())) == ""


@pytest.mark.parametrize(("rule", "name", "source"), CAUGHT)
def test_the_rule_catches(rule: Rule, name: str, source: str) -> None:
    """A module that breaks the rule is found."""
    assert len(broken(rule, (Module.of(source, name=name),))) == 1


@pytest.mark.parametrize(("rule", "name", "source"), ALLOWED)
def test_the_rule_allows(rule: Rule, name: str, source: str) -> None:
    """What is right is left alone."""
    assert broken(rule, (Module.of(source, name=name),)) == []


def test_every_rule_is_shown_to_catch() -> None:
    """A rule without an example that breaks it may be one that never fires."""
    assert {rule.__name__ for rule, _, _ in CAUGHT} == set(imports.__all__)
