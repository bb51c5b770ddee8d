"""The mathematics of RetryPolicy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymq import AccessDenied, BackendUnavailable, ConfigError, DecodeError, RetryPolicy

POLICIES = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 50),
    immediate=st.integers(0, 5),
    first_delay_s=st.floats(0, 100),
    factor=st.floats(1, 10),
    max_delay_s=st.floats(100, 1e6),
    jitter=st.floats(0, 1),
)


@given(policy=POLICIES, attempt=st.integers(1, 100_000))
def test_a_delay_is_at_least_its_base_and_at_most_the_maximum(
    policy: RetryPolicy, attempt: int
) -> None:
    """Jitter only lengthens, and the cap holds for ever (no overflow)."""
    base = policy.base_delay_s(attempt)

    assert base <= policy.delay_s(attempt) <= policy.max_delay_s
    assert policy.first_delay_s <= base


@given(policy=POLICIES, attempt=st.integers(1, 1000))
def test_delays_never_shrink(policy: RetryPolicy, attempt: int) -> None:
    """A later attempt waits at least as long, before jitter."""
    assert policy.base_delay_s(attempt) <= policy.base_delay_s(attempt + 1)


@given(policy=POLICIES, attempt=st.integers(1, 1000))
def test_showing_a_base_delay_does_not_advance_it(policy: RetryPolicy, attempt: int) -> None:
    """It is a function of the attempt and of nothing else."""
    assert policy.base_delay_s(attempt) == policy.base_delay_s(attempt)


def test_delays_double_up_to_the_cap() -> None:
    """1, 2, 4, 8, then the maximum."""
    policy = RetryPolicy(first_delay_s=1, factor=2, max_delay_s=10, jitter=0)

    assert [policy.delay_s(attempt) for attempt in range(1, 7)] == [1, 2, 4, 8, 10, 10]


def test_immediate_attempts_do_not_advance_the_delay() -> None:
    """With two immediate ones, every third failure is followed by the next delay."""
    policy = RetryPolicy(immediate=2, first_delay_s=1, factor=2, jitter=0)

    assert [policy.base_delay_s(attempt) for attempt in (3, 6, 9)] == [1, 2, 4]


@pytest.mark.parametrize(("failures", "expected"), [(1, True), (2, True), (3, False)])
def test_so_many_failures_in_a_row_are_followed_at_once(failures: int, expected: bool) -> None:
    """``immediate=2``: the first and second failure, not the third."""
    assert RetryPolicy(immediate=2).is_immediate(failures) is expected


def test_the_last_attempt_is_the_last() -> None:
    """``max_attempts`` counts the first call too."""
    policy = RetryPolicy(max_attempts=3)

    assert [policy.is_exhausted(attempt) for attempt in (1, 2, 3, 4)] == [False, False, True, True]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (LookupError("unknown"), True),
        (BackendUnavailable("gone"), True),
        (DecodeError("bytes"), False),
        (AccessDenied("no"), False),
    ],
)
def test_what_is_transient_is_retried_unless_said(error: Exception, expected: bool) -> None:
    """An unknown error counts as transient."""
    assert RetryPolicy().retries(error) is expected


def test_only_what_is_named_is_retried() -> None:
    """With ``on``, subclasses too, and nothing else."""
    policy = RetryPolicy(on=(LookupError,))

    assert policy.retries(KeyError("x"))
    assert not policy.retries(ValueError("x"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_attempts", 0),
        ("immediate", -1),
        ("first_delay_s", -0.1),
        ("factor", 0.5),
        ("jitter", -1),
        ("max_delay_s", 0.5),
        ("on_exhausted", "explode"),
        ("on", [ValueError]),
        ("on", ("ValueError",)),
        ("first_delay_s", float("nan")),
    ],
)
def test_a_policy_that_cannot_be_is_refused(field: str, value: Any) -> None:
    """At once, with the field's name in the text."""
    with pytest.raises(ConfigError, match=field):
        RetryPolicy(**{field: value})
