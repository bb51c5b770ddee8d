"""Where messages of a priority go on a backend that has none."""

from __future__ import annotations

import pytest

from anymq import PublishRejected
from anymq.emulation.priority import PriorityRoute, level_topic, logical_topic, with_levels
from anymq.topology import GroupSpec, TopicSpec
from tests.unit.core.doubles import a_message

TOPICS = {"t": TopicSpec("t", 3, priorities=True), "plain": TopicSpec("plain")}


@pytest.mark.parametrize(("priority", "name"), [(0, "anymq.low.t"), (1, "t"), (2, "anymq.high.t")])
def test_a_level_has_a_topic_and_the_topic_its_level(priority: int, name: str) -> None:
    """Normal messages stay on the main topic; the way back gives the logical one."""
    assert level_topic("t", priority) == name
    assert logical_topic(name) == "t"


def test_levels_are_declared_for_topics_with_priorities_alone() -> None:
    """Each with the topic's partitions, and each of its groups with the group's order."""
    groups = (GroupSpec("t", "g", "key"), GroupSpec("plain", "g"))

    topics, more = with_levels(tuple(TOPICS.values()), groups)

    assert {(topic.name, topic.partitions) for topic in topics} == {
        ("anymq.high.t", 3),
        ("anymq.low.t", 3),
    }
    assert {(group.topic, group.name, group.order) for group in more} == {
        ("anymq.high.t", "g", "key"),
        ("anymq.low.t", "g", "key"),
    }


def test_a_prioritised_message_is_sent_to_its_level() -> None:
    """A copy goes there; the message given stays as it is."""
    message = a_message(priority=2)

    routed = PriorityRoute(frozenset(), TOPICS).route(message)

    assert (routed.topic, message.topic) == ("anymq.high.t", "t")


@pytest.mark.parametrize("handles", [frozenset({"priority"}), frozenset()])
def test_what_needs_no_emulation_is_left_alone(handles: frozenset[str]) -> None:
    """A normal message always; any where the plugin does it itself."""
    route = PriorityRoute(handles, TOPICS)
    message = a_message(priority=2 if handles else 1)

    assert route.is_native is bool(handles)
    assert route.route(message) is message


@pytest.mark.parametrize("topic", ["plain", "unknown"])
def test_a_priority_that_nobody_would_read_is_refused(topic: str) -> None:
    """On a topic declared without priorities; the remedy is named."""
    with pytest.raises(PublishRejected, match="priorities=True") as caught:
        PriorityRoute(frozenset(), TOPICS).route(a_message(topic=topic, priority=0))

    assert caught.value.code == "invalid"
