"""Who has which partition, as the members' log tells it."""

from __future__ import annotations

import random

import pytest

from anymq.streams.roster import Entry, Kind, Roster, decode_entry, encode_entry


def beat(
    member: str, number: int = 1, *, holds: tuple[int, ...] = (), wants: tuple[int, ...] = ()
) -> Entry:
    """What a member says of itself."""
    return Entry("beat", "g", member, number, 10.0, frozenset(holds), frozenset(wants))


def about(kind: Kind, member: str, number: int = 99) -> Entry:
    """That a member left or expired."""
    return Entry(kind, "g", member, number)


def after(*entries: Entry, partitions: int = 3) -> Roster:
    """The state that entries lead to."""
    roster = Roster("g", partitions)
    for entry in entries:
        roster.apply(entry)
    return roster


def has(roster: Roster, *members: str) -> list[set[int]]:
    """What each member has, and at last what nobody has."""
    return [*(set(roster.held_by(member)) for member in members), set(roster.free())]


def test_of_two_who_want_a_partition_the_first_has_it() -> None:
    """The log's order decides."""
    roster = after(beat("b", wants=(0, 1)), beat("a", wants=(1, 2)))

    assert has(roster, "b", "a") == [{0, 1}, {2}, set()]


def test_what_is_no_longer_named_is_free() -> None:
    """A beat says all that a member has."""
    roster = after(beat("a", wants=(0, 1, 2)), beat("a", 2, holds=(0,)))

    assert has(roster, "a") == [{0}, {1, 2}]


@pytest.mark.parametrize("kind", ["leave", "expire"])
def test_who_is_gone_has_nothing_and_never_comes_back(kind: Kind) -> None:
    """Under the same id: it joins as somebody else."""
    roster = after(beat("a", wants=(0,)), about(kind, "a"), beat("a", 2, holds=(0,)))

    assert roster.is_gone("a")
    assert has(roster, *roster.members) == [{0, 1, 2}]


def test_an_expiry_that_overlooked_a_beat_counts_for_nothing() -> None:
    """Whoever said it had not yet read it."""
    roster = after(beat("a", 1, wants=(0,)), beat("a", 2, holds=(0,)), about("expire", "a", 1))

    assert roster.held_by("a") == {0}


def test_a_claim_that_came_to_nothing_does_not_mislead_who_reads_from_there() -> None:
    """b's claim is in the part that a newcomer reads, a's earlier one is not."""
    roster = after(beat("b", 5, wants=(0,)), beat("a", 9, holds=(0,)))

    assert has(roster, "a", "b") == [{0}, set(), {1, 2}]


def test_what_is_released_goes_to_who_says_that_it_has_it() -> None:
    """A newcomer saw a ghost's beat first; when the ghost expires, the partition is not free."""
    roster = after(beat("ghost", 3, holds=(0,)), beat("a", 9, holds=(0,)), about("expire", "ghost"))

    assert has(roster, "a") == [{0}, {1, 2}]


def test_other_groups_and_foreign_records_change_nothing() -> None:
    """All groups of a stream share the log."""
    other = Entry("beat", "other", "x", 1, 10.0, frozenset(), frozenset({0}))

    assert after(other).members == ()
    assert [decode_entry(body) for body in (b"", b"[]", b"{}", b'{"kind":"x"}', b"\xff")] == [
        None
    ] * 5
    assert decode_entry(encode_entry(beat("a", 7, holds=(1,), wants=(2,)))) == beat(
        "a", 7, holds=(1,), wants=(2,)
    )


@pytest.mark.parametrize(
    ("members", "partitions", "sizes"),
    [(1, 3, [3]), (2, 3, [2, 1]), (3, 3, [1, 1, 1]), (5, 3, [1, 1, 1, 0, 0])],
)
def test_shares_are_even(members: int, partitions: int, sizes: list[int]) -> None:
    """And whoever finds no partition stands by."""
    roster = after(*[beat(f"m{n}") for n in range(members)], partitions=partitions)

    shares = roster.shares()

    assert sorted(map(len, shares.values()), reverse=True) == sizes
    assert sorted(p for share in shares.values() for p in share) == list(range(partitions))


def test_who_joins_takes_no_more_than_must_be_moved() -> None:
    """Of six partitions two move to a third member, and none between the two others."""
    roster = after(beat("b", wants=(0, 1, 2)), beat("c", wants=(3, 4, 5)), beat("a"), partitions=6)

    shares = roster.shares()

    assert (shares["b"] <= {0, 1, 2}, shares["c"] <= {3, 4, 5}) == (True, True)
    assert [len(shares[member]) for member in ("a", "b", "c")] == [2, 2, 2]


@pytest.mark.parametrize("seed", range(20))
def test_no_partition_ever_has_two_holders(seed: int) -> None:
    """Whatever order claims, releases and ends come in; all who read the log agree."""
    chance = random.Random(seed)
    roster, twin = Roster("g", 4), Roster("g", 4)
    for number in range(300):
        member = chance.choice("abcdef") + str(number // 60)
        kind: Kind = chance.choices(("beat", "leave", "expire"), (20, 1, 1))[0]
        held = tuple(roster.held_by(member))
        wanted = tuple(roster.shares().get(member, frozenset()) & roster.free())
        entry = (
            beat(member, number, holds=held, wants=wanted)
            if kind == "beat"
            else about(kind, member)
        )
        for one in (roster, twin):
            one.apply(entry)
        holders = [p for m in roster.members for p in roster.held_by(m)]
        assert len(holders) == len(set(holders))
        assert {m: roster.held_by(m) for m in roster.members} == {
            m: twin.held_by(m) for m in twin.members
        }
