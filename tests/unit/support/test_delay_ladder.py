"""The stays of a delay add up to it, but for less than the shortest one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymq.support.delay_ladder import DelayLadder

__all__: list[str] = []


@given(st.floats(min_value=0, max_value=200_000))
def test_the_stays_fill_the_delay(delay_s: float) -> None:
    """What is left over is less than the shortest stay, and never negative."""
    ladder = DelayLadder([1, 5, 30, 600, 86_400])

    rest = delay_s - sum(ladder.stays(delay_s))

    assert 0 <= rest < 1 + 1e-6


def test_the_longest_stay_comes_first() -> None:
    """Few moves: a delay of 37 s is 30, 5, 1 and 1."""
    assert list(DelayLadder([5, 1, 30]).stays(37)) == [30, 5, 1, 1]


@pytest.mark.parametrize("stays", [[], [0, 1]])
def test_impossible_stays_are_refused(stays: list[int]) -> None:
    """A ladder without stays, or with one of no length, would never end."""
    with pytest.raises(ValueError, match="at least 1 s"):
        DelayLadder(stays)
