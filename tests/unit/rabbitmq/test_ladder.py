"""Delays as binary digits."""

from __future__ import annotations

import pytest

from anymq.outcome import Rejected
from anymq_rabbitmq.ladder import MAX_DELAY_S, first_step


@pytest.mark.parametrize(
    ("delay_s", "rung", "digits"),
    [(0.001, 0, "1"), (1.0, 0, "1"), (1.2, 1, "10"), (2.0, 1, "10"), (5.0, 2, "101")],
)
def test_a_delay_enters_at_its_highest_digit(delay_s: float, rung: int, digits: str) -> None:
    """Whole seconds, rounded up, and the exchange of the first level that holds the message."""
    step = first_step(delay_s, "q.a.b")

    assert not isinstance(step, Rejected)
    exchange, key = step
    assert exchange == f"anymq.delay.{rung}"
    words = key.split(".")
    assert "".join(words[:25]).lstrip("0") == digits
    assert words[25:] == ["q", "a", "b"]


def test_the_longest_delay_fits_and_a_longer_one_is_refused() -> None:
    """The limit is told, not clamped."""
    assert not isinstance(first_step(MAX_DELAY_S, "q.a"), Rejected)

    refused = first_step(MAX_DELAY_S + 1, "q.a")

    assert isinstance(refused, Rejected)
    assert refused.code == "invalid"
