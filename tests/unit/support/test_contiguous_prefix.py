"""What may be committed while records are settled in any order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from anymq.support.contiguous_prefix import ContiguousPrefix


def test_nothing_seen_commits_where_it_began() -> None:
    """A fresh prefix stands at its start, whatever that is."""
    prefix = ContiguousPrefix(41)

    assert prefix.position == 41
    assert prefix.reach == 41
    assert prefix.unsettled == 0


def test_an_unsettled_record_holds_back_what_is_settled_behind_it() -> None:
    """1 and 3 settled without 2: the commit stays at 2, and 2 is the only hole."""
    prefix = ContiguousPrefix()
    for position in (1, 2, 3, 4):
        prefix.see(position)

    assert prefix.settle(1)
    assert prefix.settle(3)

    assert prefix.position == 2
    assert prefix.holes() == [2]
    assert prefix.reach == 4


def test_gaps_of_the_log_do_not_stop_the_commit() -> None:
    """Positions that the log does not hold (compaction, markers) are never waited for."""
    prefix = ContiguousPrefix(10)
    for position in (10, 17, 40):
        prefix.see(position)

    for position in (10, 17, 40):
        prefix.settle(position)

    assert prefix.position == 41
    assert prefix.holes() == []


def test_what_is_skipped_is_settled_but_for_what_is_open() -> None:
    """The commit jumps behind it once the open ones are done, and nothing before it is seen."""
    prefix = ContiguousPrefix()
    prefix.see(3)

    prefix.skip_to(50)

    assert prefix.position == 3
    assert prefix.holes() == [3]
    assert not prefix.see(49)
    assert prefix.settle(3)
    assert prefix.position == 50


def test_a_position_is_seen_once_and_settled_once() -> None:
    """What was seen or settled before, and what was never seen, changes nothing."""
    prefix = ContiguousPrefix(5)

    assert not prefix.see(4)
    assert prefix.see(5)
    assert not prefix.see(5)
    assert not prefix.settle(6)
    assert prefix.settle(5)
    assert not prefix.settle(5)
    assert prefix.position == 6


@given(
    st.sets(st.integers(0, 200), max_size=40).flatmap(
        lambda seen: st.tuples(st.just(sorted(seen)), st.permutations(sorted(seen)))
    ),
    st.integers(0, 40),
)
def test_the_commit_never_passes_an_unsettled_record(
    positions: tuple[list[int], list[int]], settled_count: int
) -> None:
    """For any log with gaps and any order of settling, and it never falls."""
    seen, order = positions
    prefix = ContiguousPrefix()
    for position in seen:
        prefix.see(position)

    last = prefix.position
    for position in order[:settled_count]:
        prefix.settle(position)
        assert prefix.position >= last
        last = prefix.position

    left = set(order[settled_count:])
    assert prefix.unsettled == len(left)
    assert prefix.position == (min(left) if left else (seen[-1] + 1 if seen else 0))
    done = set(order[:settled_count])
    below = {position for position in seen if position < prefix.reach}
    assert below - set(prefix.holes()) == done
