"""What needs no server: entries, positions, shares of room, batches cut to size, error classes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from redis import exceptions as client

from anymq.errors import AccessDenied, BackendUnavailable, ConfigError, TopologyError
from anymq.message import Message
from anymq.outcome import Rejected, Unknown
from anymq_redis.errors import refusal, translate
from anymq_redis.feeds import feeds_of, shares
from anymq_redis.keys import LogKeys, TopicKeys
from anymq_redis.options import RedisOptions
from anymq_redis.positions import above, before, parse
from anymq_redis.sending import due_ms, split
from anymq_redis.wire import decode, encode


def _raw(message: Message) -> list[bytes]:
    return [f if isinstance(f, bytes) else str(f).encode() for f in encode(message)]


def test_an_entry_round_trips_with_a_header_named_body() -> None:
    """The first field is the body; a user's header of that name is a header."""
    sent = Message("t", b"\x00\xff", "id-1", 12.5, headers={"body": "mine", "ключ": "значение"})

    got, returned = decode(_raw(sent), topic="t", lane="main", position="p", entry_id="1-0")

    assert (got.body, got.id, got.timestamp) == (b"\x00\xff", "id-1", 12.5)
    assert got.headers == {"body": "mine", "ключ": "значение"}
    assert returned is None


def test_a_foreign_entry_is_known_by_its_position() -> None:
    """One field is enough; id and time come from the server's id."""
    got, _ = decode([b"body", b"{}"], topic="t", lane="main", position="0:7-1", entry_id="7000-1")

    assert (got.id, got.timestamp, got.body, got.headers) == ("0:7-1", 7.0, b"{}", {})


@pytest.mark.parametrize("partitions", [1, 3])
@given(room=st.integers(1, 700), turn=st.integers(0, 50))
def test_shares_never_exceed_the_room(partitions: int, room: int, turn: int) -> None:
    """And they use all of it; nobody is asked for nothing."""
    feeds = feeds_of("t", TopicKeys("t"), "g", partitions)

    asked = shares(feeds, room, turn)

    assert sum(count for _, count in asked) == room
    assert all(count > 0 for _, count in asked)


def test_a_room_of_one_serves_every_feed_in_turn() -> None:
    """No stream starves behind another."""
    feeds = feeds_of("t", TopicKeys("t"), "g", 2)

    served = {shares(feeds, 1, turn)[0][0].stream for turn in range(4)}

    assert served == {feed.stream for feed in feeds}


def test_companions_share_the_topics_hash_slot() -> None:
    """What stands in braces, or the whole name, is what is hashed."""
    keys = TopicKeys("shop.orders")

    assert keys.streams(1) == ["shop.orders"]
    assert keys.group("desk").retry() == "{shop.orders}.desk.retry"
    assert keys.streams(2) == ["{shop.orders}#0", "{shop.orders}#1"]
    assert not set(LogKeys("shop.orders").streams(2)) & set(keys.streams(1))


def test_a_due_moment_is_never_rounded_down() -> None:
    """Late by less than a millisecond, never early."""
    assert (due_ms(1.0001), due_ms(2.0)) == ("1001", "2000")


def test_large_batches_are_cut_between_messages() -> None:
    """No call is much larger than 16 MiB, and no message is left out."""
    mib = 1024 * 1024

    assert split([10 * mib, 5 * mib, 2 * mib, 40 * mib, 1]) == [
        slice(0, 2),
        slice(2, 3),
        slice(3, 4),
        slice(4, 5),
    ]


def test_positions_are_checked_and_compared_as_numbers() -> None:
    """A position of another stream or backend is told at once."""
    assert parse("5-1,7-0", 2) == ["5-1", "7-0"]
    for wrong in ("", "5-1", "a,b", "5-1,7-0,8-0"):
        with pytest.raises(ConfigError, match="no position"):
            parse(wrong, 2)
    assert above("10-0", "9-5")
    assert above("9-10", "9-9")
    assert not above(before(10.0), "10000-0")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (client.AuthenticationError("WRONGPASS invalid"), AccessDenied),
        (client.NoPermissionError("NOPERM no"), AccessDenied),
        (client.ConnectionError("gone"), BackendUnavailable),
        (client.TimeoutError("slow"), BackendUnavailable),
        (client.BusyLoadingError("LOADING"), BackendUnavailable),
        (client.ResponseError("WRONGTYPE a list"), TopologyError),
        (client.ResponseError("DB index is out of range"), ConfigError),
        (client.ConnectionError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"), ConfigError),
        (client.ReadOnlyError("READONLY"), BackendUnavailable),
        (ConnectionRefusedError(111, "refused"), BackendUnavailable),
    ],
)
def test_client_errors_become_ours(error: Exception, expected: type[Exception]) -> None:
    """By class, and by their first word where the client has no class."""
    assert type(translate(error, "here")) is expected


def test_a_full_server_rejects_and_a_lost_one_leaves_it_open() -> None:
    """OOM and a full disk certainly stored nothing; a lost connection may have."""
    full = refusal(translate(client.OutOfMemoryError("OOM command not allowed"), "here"))
    disk = refusal(translate(client.ResponseError("MISCONF Errors writing"), "here"))
    lost = refusal(translate(client.ConnectionError("gone"), "here"))

    assert isinstance(full, Rejected)
    assert isinstance(disk, Rejected)
    assert (full.code, disk.code) == ("full", "full")
    assert isinstance(lost, Unknown)


def test_a_path_that_is_no_database_is_refused() -> None:
    """At configuration, naming what would be right."""
    with pytest.raises(ValidationError, match="no database"):
        RedisOptions(path="main")
