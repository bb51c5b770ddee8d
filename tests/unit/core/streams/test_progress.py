"""How far a group has come in one partition."""

from __future__ import annotations

from itertools import permutations

import pytest

from anymq.streams.progress import Progress
from anymq.streams.recent import Recent


@pytest.mark.parametrize("order", [*permutations("abc")])
def test_the_position_never_passes_what_is_not_done(order: tuple[str, ...]) -> None:
    """In whatever order records are done."""
    progress = Progress(0)
    for position in "abc":
        progress.read(position)

    done: set[str] = set()
    for position in order:
        assert progress.done(position)
        done.add(position)
        prefix = [p for i, p in enumerate("abc") if set("abc"[: i + 1]) <= done]
        assert progress.to_store == (prefix[-1] if prefix else None)


def test_what_belongs_to_others_is_passed_without_being_done() -> None:
    """An idle partition's position moves on with the reader, and never over a record in hand."""
    progress = Progress(0)
    progress.passed("1")
    assert progress.to_store == "1"

    progress.read("2")
    progress.passed("3")
    progress.passed("4")
    assert progress.to_store == "1"
    progress.done("2")

    assert progress.to_store == "4"


def test_done_is_told_once() -> None:
    """And of what was read only."""
    progress = Progress(0)
    progress.read("1")
    progress.read("2")

    assert [progress.done(p) for p in ("2", "2", "1", "1", "9")] == [
        True,
        False,
        True,
        False,
        False,
    ]


def test_what_waits_is_not_in_hand() -> None:
    """Only what was handed out can be stuck."""
    progress = Progress(0)
    first, second = progress.read("1"), progress.read("2")
    assert (progress.in_hand, progress.oldest()) == (0, None)

    second.since, first.since = 2.0, 1.0
    progress.done("1")

    assert (progress.in_hand, progress.oldest()) == (1, second)


def test_a_stored_position_is_not_stored_again() -> None:
    """Unless it has moved on meanwhile."""
    progress = Progress(0)
    progress.passed("1")
    progress.stored("1")
    assert progress.to_store is None

    progress.passed("2")
    progress.stored("1")
    assert progress.to_store == "2"


def test_ids_are_remembered_for_a_while() -> None:
    """The oldest is forgotten first; seeing an id again does not make it younger."""
    recent = Recent(2)

    assert [recent.is_new(one) for one in "aabbacab"] == [
        True, False, True, False, False, True, True, True,
    ]  # fmt: skip
