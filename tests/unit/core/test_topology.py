"""The grammar of names, and which topics a pattern means."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymq import ConfigError
from anymq.topology import (
    check_group,
    check_pattern,
    check_topic,
    confusable,
    is_pattern,
    matches,
)

SEGMENTS = st.lists(st.sampled_from(["a", "b", "news"]), min_size=1, max_size=6)
PATTERNS = st.lists(st.sampled_from(["a", "b", "*", "#"]), min_size=1, max_size=5)


def _expression(pattern: list[str]) -> re.Pattern[str]:
    """The same pattern as a regular expression over segments that each end in a dot."""
    parts = {"*": r"[^.]+\.", "#": r"(?:[^.]+\.)*"}
    return re.compile("".join(parts.get(s, re.escape(s) + r"\.") for s in pattern))


@given(PATTERNS, SEGMENTS)
def test_wildcards_mean_what_a_regular_expression_says(
    pattern: list[str], topic: list[str]
) -> None:
    """One segment for ``*``, any number for ``#``."""
    expected = _expression(pattern).fullmatch("".join(s + "." for s in topic)) is not None

    assert matches(".".join(pattern), ".".join(topic)) is expected


def test_a_long_pattern_is_matched_in_no_time() -> None:
    """Many ``#`` do not multiply: the longest topic against the worst pattern."""
    pattern = ".".join(["#", "a"] * 24 + ["b"])

    assert not matches(pattern, ".".join(["a"] * 50))


@given(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,99}", fullmatch=True))
def test_good_topics_are_taken(name: str) -> None:
    """Everything the grammar allows, but for the reserved prefix."""
    if name.startswith("anymq."):
        with pytest.raises(ConfigError, match="reserved"):
            check_topic(name)
    else:
        assert check_topic(name) == name


@given(st.text(max_size=110))
def test_a_topic_is_taken_or_refused_by_its_grammar(name: str) -> None:
    """Whatever the text: a name of the grammar, or a ConfigError that shows it."""
    fits = re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,99}", name) and not name.startswith("anymq.")

    if fits:
        assert check_topic(name) == name
    else:
        with pytest.raises(ConfigError, match="no topic name"):
            check_topic(name)


@pytest.mark.parametrize(
    "name", ["", "Orders", "-a", ".a", "_a", "a b", "a/b", "ä", "a" * 101, "a\n", "a*"]
)
def test_bad_topics_are_refused(name: str) -> None:
    """Case, length, first character, and what backends cannot hold."""
    with pytest.raises(ConfigError, match="lower case letters"):
        check_topic(name)


@pytest.mark.parametrize("pattern", ["news.*", "#", "*.b.#", "a.#.b", "plain"])
def test_good_patterns_are_taken(pattern: str) -> None:
    """A plain name is a pattern too."""
    assert check_pattern(pattern) == pattern
    assert is_pattern(pattern) is (pattern != "plain")


@pytest.mark.parametrize("pattern", ["news*", "a.b#", "*#", "A.*", "a .*", "**"])
def test_bad_patterns_are_refused(pattern: str) -> None:
    """A wildcard is a whole segment."""
    with pytest.raises(ConfigError, match="no topic pattern"):
        check_pattern(pattern)


@pytest.mark.parametrize("name", ["", "a.b", "A", "a" * 61, "-a", "a\n"])
def test_bad_groups_are_refused(name: str) -> None:
    """No dot: the group is a segment of physical names."""
    with pytest.raises(ConfigError, match="no dot"):
        check_group(name)


@pytest.mark.parametrize("name", ["retry", "dead"])
def test_names_of_companions_are_no_groups(name: str) -> None:
    """They would collide with a group's own retry and dead letter addresses."""
    with pytest.raises(ConfigError, match="reserved"):
        check_group(name)


def test_good_groups_are_taken() -> None:
    """Up to sixty characters."""
    assert check_group("billing_2-" + "a" * 50)


def test_names_that_kafka_confuses_are_found() -> None:
    """Two that differ only in dot and underscore, in the order they came."""
    assert confusable(["a.b", "c", "a_b"]) == ("a.b", "a_b")
    assert confusable(["a.b", "a-b", "a.b"]) is None
