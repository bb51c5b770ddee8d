"""Scenario 4: a consumer is killed with ten deliveries in flight, and another one gets all ten."""

from __future__ import annotations

from tests.seam.seam import CALL_S, Seam
from tests.seam.traffic import ack, collect, ids, nothing_comes, send
from tests.seam.victims import victim


async def test_what_a_killed_consumer_held_comes_to_another(seam: Seam) -> None:
    """All ten, within the lease or session, told as redelivered where the backend counts.

    While it lives and keeps its leases, nobody else gets anything, however long its handlers run.
    """
    broker = await seam.open_broker(**seam.backend.crash_options)
    await seam.declare(broker, "news", "desk")
    ten = [seam.message("news", n) for n in range(10)]
    await send(broker, ten)

    async with victim(seam, broker, "news", "desk", 10) as doomed:
        assert sorted(doomed.holds) == sorted(ids(ten))
        if seam.capabilities.lease_s is not None:
            waiting = await seam.subscribe(broker, "news", "desk")
            await nothing_comes(waiting, for_s=1.5 * seam.capabilities.lease_s)
            await waiting.aclose(timeout_s=CALL_S)
        await doomed.die()
    survivor = await seam.subscribe(broker, "news", "desk")
    inherited = await collect(survivor, 10, within_s=seam.backend.takeover_s)

    assert sorted(ids(inherited)) == sorted(ids(ten))
    assert {delivery.attempt for delivery in inherited} == {1}
    if seam.has_native("delivery_count"):
        assert all(delivery.redelivered for delivery in inherited)
        assert all((delivery.delivery_count or 0) > 1 for delivery in inherited)
    await ack(survivor, inherited)
    await nothing_comes(survivor, for_s=0.5)
