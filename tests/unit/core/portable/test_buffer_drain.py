"""Draining a buffer ordered by key leaves no key taken that nobody works on."""

from __future__ import annotations

from anymq.message import Delivery, Message
from anymq.portable.buffer import Buffer
from anymq.testing import FakeClock

__all__: list[str] = []


def _delivery(name: str, key: str | None) -> Delivery:
    return Delivery(Message("t", b"", name, 0.0, key=key), "g", name)


async def test_a_drained_key_can_be_taken_again() -> None:
    """What waited at the front is gone, so the next message of its key starts at once."""
    buffer = Buffer(FakeClock(), by_key=True)
    buffer.put([_delivery("a1", "a"), _delivery("b1", "b"), _delivery("a2", "a")])
    running = buffer.ready.popleft()

    drained = [delivery.id for delivery in buffer.drain()]
    buffer.put([_delivery("b2", "b"), _delivery("a3", "a")])

    assert drained == ["b1", "a2"]
    assert [delivery.id for delivery in buffer.ready] == ["b2"]

    buffer.finished(running)

    assert [delivery.id for delivery in buffer.ready] == ["a3", "b2"]
