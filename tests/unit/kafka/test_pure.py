"""What needs no broker: notes beside commits, positions, names, properties, what a thread owns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import pytest
from confluent_kafka import KafkaError
from hypothesis import given
from hypothesis import strategies as st

from anymq.abc import BackendContext
from anymq.errors import AccessDenied, BackendUnavailable, ConfigError, TopologyError
from anymq.message import Delivery
from anymq.outcome import Rejected, Unknown
from anymq.support.clock import SystemClock
from anymq_kafka.catalog import groups_in, topics_in
from anymq_kafka.client_config import ClientConfig
from anymq_kafka.commit_note import MAX_TEXT, CommitNote
from anymq_kafka.errors import error_of, result_of
from anymq_kafka.names import Names
from anymq_kafka.options import KafkaOptions
from anymq_kafka.partition import OwnedPartition
from anymq_kafka.positions import format_position, parse_position

CONTEXT = BackendContext(SystemClock(), namespace="app", client_id="unit")
WINDOW = 8


@given(st.integers(0, 10**12), st.data())
def test_a_note_says_the_same_after_the_broker(position: int, data: st.DataObject) -> None:
    """Encoding and decoding keep counts and holes, whatever the position."""
    holes = tuple(sorted(data.draw(st.sets(st.integers(position, position + 500), max_size=20))))
    reach = (holes[-1] if holes else position) + data.draw(st.integers(0, 50))
    note = CommitNote(
        takeovers=data.draw(st.integers(0, 30)),
        window=data.draw(st.integers(0, 999)),
        is_orderly=data.draw(st.booleans()),
        reach=reach,
        holes=holes,
    )

    assert CommitNote.decode(note.encode(position), position) == note


def test_a_note_never_outgrows_the_broker_and_never_claims_too_much() -> None:
    """Cut holes are not taken as settled: those records come again."""
    holes = tuple(range(0, 20_000, 3))
    note = CommitNote(1, 2, reach=20_000, holes=holes)

    text = note.encode(0)
    found = CommitNote.decode(text, 0)

    assert len(text) <= MAX_TEXT
    assert 0 < found.reach < 20_000
    assert all(note.is_settled(o) for o in range(20_000) if found.is_settled(o))
    assert not any(found.is_settled(hole) for hole in holes)


@pytest.mark.parametrize("text", [None, "", "x", "[]", '{"r": "y"}', '{"h": 3}', "null", "7"])
def test_foreign_metadata_is_no_note(text: str | None) -> None:
    """Whatever another client left beside its commit is read as nothing."""
    found = CommitNote.decode(text, 5)

    assert found in (CommitNote(), CommitNote(reach=5))


def test_a_crash_flags_what_may_have_been_out_and_counts() -> None:
    """The window's records are told as delivered again; what is newer than the takeover is not."""
    note = CommitNote(takeovers=2, window=3)
    partition = OwnedPartition("t", 0, "main", position=10, note=note, end=14, window=WINDOW)

    counts = [partition.see(offset) for offset in (10, 11, 12, 13, 14)]

    assert counts == [4, 4, 4, 1, 1]
    assert CommitNote.decode(partition.commit().metadata, 10).takeovers == 3


def test_an_orderly_end_is_flagged_and_not_counted() -> None:
    """A crash after it counts once, from where the count stood."""
    note = CommitNote(takeovers=2, window=1, is_orderly=True)
    partition = OwnedPartition("t", 0, "main", position=10, note=note, end=14, window=WINDOW)

    assert [partition.see(offset) for offset in (10, 11)] == [3, 1]
    assert [partition.was_out(offset) for offset in (10, 11)] == [True, False]
    crashed = CommitNote.decode(partition.commit().metadata, 10)
    heir = OwnedPartition("t", 0, "main", position=10, note=crashed, end=14, window=WINDOW)
    assert heir.see(10) == 4


def test_the_count_begins_again_once_the_position_moves() -> None:
    """Only takeovers at one position make a crash loop."""
    note = CommitNote(takeovers=5, window=3)
    partition = OwnedPartition("t", 0, "main", position=0, note=note, end=9, window=WINDOW)
    partition.see(0)
    partition.see(1)

    assert partition.settle([0])

    found = partition.commit()
    assert found.offset == 1
    assert CommitNote.decode(found.metadata, 1) == CommitNote(0, WINDOW, reach=1)


def test_an_orderly_end_tells_exactly_what_is_out() -> None:
    """Deliveries in hand, and earlier ones not yet tried again; nothing if there are none."""
    partition = OwnedPartition("t", 0, "main", position=0, window=WINDOW)
    for offset in range(4):
        partition.see(offset)
    partition.settle([2])

    out = CommitNote.decode(partition.leave([0, 2]).metadata, 0)
    none = CommitNote.decode(partition.leave([]).metadata, 0)

    assert (out.window, out.reach, out.holes) == (1, 3, (0, 1))
    assert (none.window, none.takeovers) == (0, 0)


def test_leaving_before_reading_keeps_what_an_earlier_owner_left() -> None:
    """Suspects and settled records behind a gap survive an owner that never saw them."""
    note = CommitNote(takeovers=1, window=2, reach=7, holes=(3, 5))
    partition = OwnedPartition("t", 0, "main", position=3, note=note, end=9, window=WINDOW)

    left = CommitNote.decode(partition.leave([]).metadata, 3)

    assert (left.window, left.takeovers) == (2, 2)
    assert (left.reach, left.holes) == (7, (3, 5))


def test_what_is_settled_behind_a_gap_is_passed_over() -> None:
    """Only the holes are handed out again, and the commit then jumps behind the reach."""
    note = CommitNote(window=2, reach=7, holes=(3, 5))
    partition = OwnedPartition("t", 0, "main", position=3, note=note, end=9, window=WINDOW)

    handed = [offset for offset in range(3, 9) if partition.see(offset)]
    partition.settle([3])
    partition.settle([5])

    assert handed == [3, 5, 7, 8]
    assert partition.commit().offset == 7


def test_after_a_crash_only_what_was_out_is_charged() -> None:
    """What was given back is no suspect of the next owner's; what stayed out is, and counts."""
    crashed = CommitNote(window=WINDOW)
    partition = OwnedPartition("t", 0, "main", position=0, note=crashed, end=4, window=WINDOW)
    counts = [partition.see(offset) for offset in range(4)]
    partition.in_hand = {2: cast("Delivery", None)}
    partition.tighten()

    note = CommitNote.decode(partition.commit().metadata, 0)
    heir = OwnedPartition("t", 0, "main", position=0, note=note, end=4, window=WINDOW)

    assert counts == [2, 2, 2, 2]
    assert (note.out, note.window, note.takeovers) == ((2,), 1, 1)
    assert [heir.see(offset) for offset in range(4)] == [1, 1, 3, 1]
    partition.loosen()
    assert CommitNote.decode(partition.commit().metadata, 0).out == ()


@pytest.mark.parametrize(
    ("first", "end", "expected"),
    [(0, 9, (5, 0)), (0, 5, (5, 0)), (7, 9, (7, 2)), (0, 3, (3, 0))],
)
def test_where_to_go_on_in_a_log(first: int, end: int, expected: tuple[int, int]) -> None:
    """Within it nothing is skipped; what was deleted is counted; what was cut off comes anew."""
    partition = OwnedPartition("t", 0, "main", position=5, window=WINDOW)

    assert partition.resume_at(first, end) == expected


def test_a_partition_that_is_gone_settles_nothing() -> None:
    """Neither does an offset that was never handed out."""
    partition = OwnedPartition("t", 0, "main", position=0, window=WINDOW)
    partition.see(0)

    partition.settle([1])
    assert partition.commit().offset == 0
    partition.is_owned = False
    assert not partition.settle([0])


def test_a_position_that_is_not_known_is_not_committed() -> None:
    """Until a record told where it is: a guess could move the group back."""
    partition = OwnedPartition("t", 0, "main", position=None, window=WINDOW)

    assert not partition.can_commit
    partition.see(500)
    assert partition.can_commit


@given(st.dictionaries(st.integers(0, 9), st.integers(-1, 10**15), min_size=1))
def test_positions_come_back_as_they_went(last: Mapping[int, int]) -> None:
    """Any vector of offsets survives as text."""
    assert parse_position(format_position(last), partitions=10) == last


def test_names_keep_worlds_apart() -> None:
    """Namespace first; companions by their group; streams and Kafka's own are no topics."""
    names = Names(KafkaOptions(), CONTEXT)

    assert names.topic("news") == "app.news"
    assert names.topic("news", "desk") == names.topic("news", "desk", "retry")
    assert names.topic("news", "desk", "dead") == "app.news.desk.dead"
    assert names.group("news", "desk") == "app.news.desk"
    assert names.stream("sales") == "app.anymq.stream.sales"
    assert names.logical("app.news") == "news"
    assert names.logical("other.news") is None


def test_the_catalog_tells_topics_from_companions() -> None:
    """A topic that only looks like a companion is one, unless its topic is there."""
    names = Names(KafkaOptions(), CONTEXT)
    there = {
        f"app.{name}": 1
        for name in ("news", "news.desk.retry", "news.desk.dead", "a.b.retry", "anymq.stream.x")
    } | {"__consumer_offsets": 50, "other.news": 1}

    topics = topics_in(there, names)

    assert topics == {"a.b.retry": 1, "news": 1}
    ids = ["app.news.desk", "app.news", "app.gone.desk", "other.news.desk", "app.news.Big"]
    assert groups_in(ids, topics, names) == [("news", "desk")]


def test_properties_follow_the_options() -> None:
    """TLS verifies, SASL has its secret, our own properties win over ours."""
    options = KafkaOptions(
        scheme="kafkas",
        host="h1:9093,h2:9093",
        username="app",
        password="s3cr3t",
        client={"linger.ms": "7"},
    )
    config = ClientConfig(options, CONTEXT)

    producer = config.producer()
    member = config.member("g", 10)

    assert producer["bootstrap.servers"] == "h1:9093,h2:9093"
    assert producer["security.protocol"] == "SASL_SSL"
    assert producer["enable.ssl.certificate.verification"] is True
    assert producer["ssl.endpoint.identification.algorithm"] == "https"
    assert (producer["sasl.username"], producer["sasl.password"]) == ("app", "s3cr3t")
    assert (producer["enable.idempotence"], producer["acks"]) == (True, "all")
    assert producer["linger.ms"] == "7"
    assert member["enable.auto.commit"] is False
    assert member["session.timeout.ms"] == 10_000


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (KafkaError.UNKNOWN_TOPIC_OR_PART, "not_found"),
        (KafkaError.MSG_SIZE_TOO_LARGE, "too_large"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "denied"),
        (KafkaError.INVALID_MSG, "invalid"),
        (KafkaError._QUEUE_FULL, "full"),
        (KafkaError._MSG_TIMED_OUT, None),
        (KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND, None),
        (KafkaError._PURGE_INFLIGHT, None),
    ],
)
def test_only_what_is_certainly_not_stored_is_rejected(code: int, expected: str | None) -> None:
    """Everything else may be stored, and may be repeated."""
    result = result_of(KafkaError(code))

    if expected is None:
        assert isinstance(result, Unknown)
    else:
        assert isinstance(result, Rejected)
        assert result.code == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (KafkaError.SASL_AUTHENTICATION_FAILED, AccessDenied),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, AccessDenied),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, TopologyError),
        (KafkaError.INVALID_SESSION_TIMEOUT, ConfigError),
        (KafkaError._TRANSPORT, BackendUnavailable),
        (KafkaError.UNKNOWN, BackendUnavailable),
    ],
)
def test_client_errors_become_ours(code: int, expected: type[Exception]) -> None:
    """By what the user can do about them."""
    assert type(error_of(KafkaError(code), "test")) is expected
