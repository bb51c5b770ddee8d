"""Scenario 1: a batch of which one entry cannot be stored."""

from __future__ import annotations

from anymq.outcome import Confirmed, Rejected
from tests.seam.seam import CALL_S, Seam
from tests.seam.traffic import ack, collect, ids, nothing_comes, send


async def test_a_rejected_entry_hides_no_confirmed_one(seam: Seam) -> None:
    """The undeclared topic's entry is refused with its code; the others are stored."""
    broker = await seam.open_broker()
    await seam.declare(broker, "news", "desk")
    good = [seam.message("news", n) for n in range(4)]
    bad = seam.message("nowhere", 99)

    results = await broker.send([*good[:2], bad, *good[2:]], timeout_s=CALL_S)

    assert len(results) == 5
    refusal = results[2]
    assert isinstance(refusal, Rejected)
    assert refusal.code == "not_found"
    others = [result for index, result in enumerate(results) if index != 2]
    assert all(isinstance(result, Confirmed) for result in others), others
    desk = await seam.subscribe(broker, "news", "desk")
    deliveries = await collect(desk, 4, within_s=CALL_S)
    assert ids(deliveries) == ids(good)
    await ack(desk, deliveries)
    await nothing_comes(desk, for_s=0.5)


async def test_an_atomic_batch_is_stored_whole_or_not_at_all(seam: Seam) -> None:
    """One bad entry refuses all, where the backend has atomic batches; elsewhere none is asked."""
    broker = await seam.open_broker()
    await seam.declare(broker, "news", "desk")
    atomic = {"atomic": True} if seam.has_native("batch_atomic") else {}
    refused = [seam.message("news", 0), seam.message("nowhere", 1)]
    stored = [seam.message("news", 2), seam.message("news", 3)]

    results = await broker.send(refused, timeout_s=CALL_S, **atomic)
    await send(broker, stored, **atomic)

    assert isinstance(results[1], Rejected)
    assert isinstance(results[0], Rejected if atomic else Confirmed)
    expected = ids(stored) if atomic else ids([refused[0], *stored])
    desk = await seam.subscribe(broker, "news", "desk")
    deliveries = await collect(desk, len(expected), within_s=CALL_S)
    assert ids(deliveries) == expected
    await ack(desk, deliveries)


async def test_an_empty_batch_is_nothing(seam: Seam) -> None:
    """No entries, no results, no error."""
    broker = await seam.open_broker()

    results = await broker.send([], timeout_s=CALL_S)

    assert list(results) == []
