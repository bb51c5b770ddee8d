"""What outcomes become on a backend that does only some of them itself."""

from __future__ import annotations

import itertools

import pytest

from anymq.emulation.delay import DelayRoute, due_at
from anymq.emulation.outcomes import Emulation
from anymq.outcome import ACK, RELEASE, DeadLetter, Outcome, Retry, Settlement
from anymq.testing.fake_clock import FakeClock
from tests.unit.core.doubles import a_delivery, a_message

OUTCOMES: list[Outcome] = [ACK, RELEASE, Retry(0.0), DeadLetter("why")]
NATIVE = {1: "release", 2: "retry", 3: "dead_letter"}


def _emulation(*handles: str) -> Emulation:
    clock = FakeClock(start=1000.0)
    return Emulation(frozenset(handles), DelayRoute(frozenset(handles), clock), clock)


@pytest.mark.parametrize(
    "handles", [c for n in range(4) for c in itertools.combinations(NATIVE.values(), n)]
)
def test_only_what_the_plugin_handles_reaches_it(handles: tuple[str, ...]) -> None:
    """Ack always; every other outcome as such where it is handled, as a copy where it is not."""
    emulation = _emulation(*handles)
    batch = [Settlement(a_delivery(i), outcome) for i, outcome in enumerate(OUTCOMES)]

    copies, ready = emulation.split(batch)

    native = [0, *(i for i, feature in NATIVE.items() if feature in handles)]
    assert [item.delivery.token for item in ready] == native
    assert emulation.covers(batch) == (len(handles) < 3)
    assert len(copies) == 3 - len(handles)
    assert not emulation.covers(ready)


@pytest.mark.parametrize(
    ("outcome", "lane"), [(RELEASE, "retry"), (Retry(0.0), "retry"), (DeadLetter("why"), "dead")]
)
def test_a_copy_goes_to_the_group_alone(outcome: Outcome, lane: str) -> None:
    """Its address is the delivery's group; no other group sees it."""
    settlement = Settlement(a_delivery(3, group="billing"), outcome)

    ((original, copy),), _ = _emulation().split([settlement])

    assert original is settlement
    assert (copy.id, copy.topic, copy.group, copy.lane) == ("m3", "t", "billing", lane)


def test_a_copy_is_of_the_message_to_keep() -> None:
    """What the settlement says must be kept is sent: the raised attempt, not the old one."""
    kept = a_message(3, attempt=2)

    ((_, copy),), _ = _emulation().split([Settlement(a_delivery(3), Retry(0.0), kept)])

    assert copy.attempt == 2


def test_a_delayed_retry_waits_on_the_ladder() -> None:
    """Its due moment is the delay from now on."""
    ((_, copy),), _ = _emulation().split([Settlement(a_delivery(3), Retry(90.0))])

    assert copy.topic == "anymq.delay.30"
    assert due_at(copy) == 1090.0


@pytest.mark.parametrize("outcome", [RELEASE, Retry(1.0), DeadLetter("why")])
def test_an_anonymous_delivery_has_no_address_for_a_copy(outcome: Outcome) -> None:
    """So that outcome has to be carried out in this process; Ack and native ones not."""
    settlement = Settlement(a_delivery(group=None), outcome)

    assert _emulation().keeps_here(settlement)
    assert not _emulation().keeps_here(Settlement(a_delivery(group="g"), outcome))
    assert not _emulation("release", "retry", "dead_letter").keeps_here(settlement)
    assert not _emulation().keeps_here(Settlement(a_delivery(group=None), ACK))
