"""What an application uses, held against what its backend can do, before anything starts."""

from __future__ import annotations

from typing import Any

import pytest

from anymq import App, RetryPolicy, UnsupportedError
from anymq.capabilities import (
    CAPABILITY_NAMES,
    Capabilities,
    Durability,
    Support,
    describe,
)
from anymq.config import Settings
from anymq.plugins.registry import Registry
from anymq.runtime.requirements import Use, backends_with, check_uses, uses_of
from anymq.urls import parse_url


async def ignore(body: Any) -> None: ...


def test_every_use_is_found_with_the_line_that_asks(app: App) -> None:
    """Groups, order, patterns, retries, durability."""
    app.topic("d", durability="os_crash")
    app.topic("n", durability="none")
    app.subscriber("t", group="g", order="key", retry=RetryPolicy(), name="a")(ignore)
    app.subscriber("t.*", name="b", retry=RetryPolicy(max_attempts=1))(ignore)

    uses = list(uses_of(app.declarations))

    assert [use.capability for use in uses] == [
        "consumer_groups",
        "order_by_key",
        "delayed_retry",
        "anonymous_subscription",
        "wildcard_subscribe",
        "persistent",
    ]
    assert all("test_requirements.py:" in use.where for use in uses[:-1])
    assert "os_crash" in uses[-1].what


@pytest.mark.parametrize(
    ("level", "allow", "told"),
    [
        (Support.NATIVE, False, None),
        (Support.EMULATED, True, None),
        (Support.EMULATED, False, "only emulates it, and allow_emulation is false"),
        (Support.UNSUPPORTED, True, "cannot do it"),
    ],
)
def test_a_use_is_served_or_refused(level: Support, allow: bool, told: str | None) -> None:
    """The text names the use, its line, the backend, and the backends that could."""
    capabilities = Capabilities({"priority": level}, frozenset())

    def check() -> None:
        check_uses(
            [Use("priority", "subscriber 'a'", "shop.py:7")],
            capabilities,
            backend="slow://",
            allow_emulation=allow,
            registry=Registry(),
        )

    if told is None:
        check()
        return
    with pytest.raises(UnsupportedError) as caught:
        check()
    for part in (told, "subscriber 'a' (shop.py:7)", "priority", "slow://", "memory"):
        assert part in str(caught.value)


def test_backends_that_could_are_those_that_are_installed() -> None:
    """By what they claim; none is named for what none can."""
    assert "memory" in backends_with("order_by_key", Registry())
    assert "memory" not in backends_with("persistent", Registry())


async def test_emulation_may_be_refused_by_configuration(url: str) -> None:
    """Then what is only emulated is an error at start."""
    app = App(settings=Settings(url=parse_url(f"{url}?native=none"), allow_emulation=False))
    app.subscriber("t", group="g", retry=RetryPolicy())(ignore)

    with pytest.raises(UnsupportedError, match="allow_emulation"):
        await app.start()


def test_a_capability_left_out_is_unsupported() -> None:
    """And one that does not exist is a mistake."""
    capabilities = Capabilities({"ttl": Support.NATIVE}, frozenset())

    assert capabilities.level("ttl") is Support.NATIVE
    assert capabilities.level("priority") is Support.UNSUPPORTED
    with pytest.raises(KeyError):
        capabilities.level("teleport")
    assert list(describe(capabilities)) == list(CAPABILITY_NAMES)
    assert describe(capabilities)["ttl"] == "N"


def test_durability_has_an_order() -> None:
    """Each level includes the ones before."""
    assert Durability.parse("none") < Durability.parse("process_crash")
    assert Durability.OS_CRASH < Durability.NODE_LOSS
    with pytest.raises(KeyError):
        Durability.parse("eternal")
