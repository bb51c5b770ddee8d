"""The delay ladder as pure functions: never early, to the address, everything restored."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from anymq.emulation.delay import (
    BUCKETS_S,
    DelayRoute,
    due_at,
    enter,
    ladder,
    ladder_topic,
    leave,
    move,
    ready_at,
)
from anymq.message import Message
from anymq.testing.fake_clock import FakeClock
from tests.unit.core.doubles import a_message

DELAYS = st.floats(0.001, 10 * 86400)
FIELDS = st.fixed_dictionaries(
    {
        "key": st.none() | st.text(max_size=5),
        "partition": st.integers(0, 12),
        "group": st.none() | st.sampled_from(["g", "billing"]),
        "lane": st.sampled_from(["main", "retry"]),
        "priority": st.sampled_from([0, 1, 2]),
        "attempt": st.integers(1, 9),
        "expires_at": st.none() | st.floats(1, 4e9),
        "headers": st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5)),
        "meta": st.dictionaries(st.sampled_from(["traceparent", "anymq-alone"]), st.text()),
    }
)


def _fields(message: Message) -> dict[str, object]:
    return {name: getattr(message, name) for name in Message.__slots__}


def _bucket(message: Message) -> int:
    return next(bucket for bucket in BUCKETS_S if ladder_topic(bucket) == message.topic)


def _descend(message: Message, now: float, lateness: float) -> tuple[Message, float, int]:
    """Carry a message down as a mover that is always so late; where it ends, when, how many."""
    hops = 0
    while message.topic.startswith("anymq.delay."):
        now = ready_at(message, _bucket(message)) + lateness
        now = max(now, due_at(message)) if due_at(message) - now < BUCKETS_S[0] else now
        message = move(message, now)
        hops += 1
    return message, now, hops


@given(fields=FIELDS, delay=DELAYS, lateness=st.floats(0, 100))
def test_a_message_ends_at_its_address_as_it_was(
    fields: dict[str, object], delay: float, lateness: float
) -> None:
    """Address, id, key, partition, headers and meta are those it had before it waited."""
    message = a_message(7, **fields)

    ended, _, _ = _descend(enter(message, 1000.0 + delay, 1000.0), 1000.0, lateness)

    assert _fields(ended) == _fields(message)


@given(delay=DELAYS, lateness=st.floats(0, 100))
def test_a_message_is_never_early(delay: float, lateness: float) -> None:
    """It leaves the ladder at its moment or later, however late a mover comes."""
    _, when, _ = _descend(enter(a_message(), 1000.0 + delay, 1000.0), 1000.0, lateness)

    assert when >= 1000.0 + delay


@given(delay=st.floats(0.001, 86400))
def test_a_delay_of_up_to_a_day_takes_a_few_hops(delay: float) -> None:
    """With punctual movers no message is moved more than a few dozen times."""
    _, _, hops = _descend(enter(a_message(), 1000.0 + delay, 1000.0), 1000.0, 0.0)

    assert hops <= 30


@given(delay=DELAYS)
def test_a_stay_is_never_longer_than_what_remains(delay: float) -> None:
    """The bucket entered is the largest that fits; only the smallest may be longer."""
    staying = enter(a_message(), 1000.0 + delay, 1000.0)

    fitting = [bucket for bucket in BUCKETS_S if bucket <= delay]
    assert _bucket(staying) == max(fitting, default=BUCKETS_S[0])
    assert ready_at(staying, _bucket(staying)) <= 1000.0 + delay


def test_every_stay_has_an_id_of_its_own() -> None:
    """A backend that drops repeated ids must not drop the second stay in a bucket."""
    first = enter(a_message(1), 1010.0, 1000.0)
    second = move(first, 1005.0)

    assert first.topic == second.topic == ladder_topic(5)
    assert (first.id, second.id) == ("m1/1", "m1/2")


def test_a_group_that_entered_is_left_to() -> None:
    """A private retry stays private: the ladder's own topic has no group, its end has."""
    entered = enter(a_message(group="g", lane="retry"), 1010.0, 1000.0)

    assert (entered.group, entered.lane) == (None, "main")
    assert (leave(entered).group, leave(entered).lane) == ("g", "retry")


def test_a_plugin_with_due_moments_is_given_them() -> None:
    """Where ``due_at`` is handled, the address stays and the moment travels with it."""
    route = DelayRoute(frozenset({"due_at"}), FakeClock())

    delayed = route.delayed(a_message(), 1010.0)

    assert route.is_native
    assert (delayed.topic, delayed.due_at) == ("t", 1010.0)


def test_without_due_moments_the_ladder_is_the_way() -> None:
    """The copy enters the ladder by the clock of the application, and carries no due moment."""
    clock = FakeClock(start=1000.0)

    delayed = DelayRoute(frozenset(), clock).delayed(a_message(), 1031.0)

    assert (delayed.topic, delayed.due_at, due_at(delayed)) == (ladder_topic(30), None, 1031.0)


def test_the_ladder_has_a_topic_and_a_group_per_bucket() -> None:
    """All of it is declared, so that nothing put there is missed."""
    topology = ladder()

    assert [topic.name for topic in topology.topics] == [ladder_topic(b) for b in BUCKETS_S]
    assert {(group.topic, group.name) for group in topology.groups} == {
        (ladder_topic(b), "mover") for b in BUCKETS_S
    }
