"""What ``send``, ``declare`` and ``subscribe`` promise core: order, privacy, whole messages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from anymq.errors import TopologyError
from anymq.message import Delivery, Message
from anymq.outcome import Confirmed
from anymq.support.partitioner import partition_of
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, also, expect
from anymq.testing.probe import nothing_more

__all__: list[str] = []

FAR = 4_000_000_000.0
"""A moment at which no message of a check expires: the year 2096."""
FIELDS = ("topic", "body", "id", "content_type", "key", "partition", "attempt")
LINKS = ("correlation_id", "causation_id", "reply_to")
TIMESTAMP_S = 0.002
"""How much a timestamp may lose on a wire that counts milliseconds."""
BLOCKED_S = 0.1
"""Longer than any plugin may hold the loop for one small call."""


@also("DEL-10")
async def undeclared_sources(bench: Bench) -> None:
    """Joining a topic or group that was never declared is a TopologyError that names it."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g")
        missing = bench.topic("missing")
        for where, group, name in (
            (topic, "nobody", "nobody"),
            (missing, "g", missing),
            (missing, None, missing),
        ):
            try:
                await bench.subscribe(broker, where, group)
            except TopologyError as error:
                expect(name in str(error), f"the error does not name {name!r}: {error}")
            else:
                raise CheckFailed(f"group {group!r} of {where!r} was joined, and not declared")


@also("ORD-01")
async def overlapping_sends(bench: Bench) -> None:
    """Of two sends that overlap, the earlier one's entries of a key come first."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g")
        member = await bench.subscribe(broker, topic, "g", prefetch=200)
        sends = [[bench.message(topic, b"%d" % n, key="k") for n in range(7)] for _ in range(4)]
        async with asyncio.TaskGroup() as group:
            for batch in sends:
                group.create_task(_sent(bench, broker, batch))
        taken = await bench.take(member, 28)
        await bench.settle(member, *taken)
        wanted = [message.id for batch in sends for message in batch]
        expect([d.id for d in taken] == wanted, "a later send overtook an earlier one")


@also("DEL-13")
async def loop_goes_on(bench: Bench) -> None:
    """Sending, receiving and settling never hold up the loop."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g")
        member = await bench.subscribe(broker, topic, "g")
        holds: dict[str, list[float]] = {"send": [], "receive": [], "settle": []}
        for _ in range(5):
            message = bench.message(topic)
            holds["send"].append(await _longest_hold(_sent(bench, broker, [message])))
            received: list[Delivery] = []
            holds["receive"].append(await _longest_hold(_into(bench, member, received)))
            holds["settle"].append(await _longest_hold(bench.settle(member, *received)))
        for call, times in holds.items():
            least = min(times)
            expect(least < BLOCKED_S, f"{call} holds up the event loop, {least:.2f} s each time")


async def _longest_hold(call: Awaitable[Any]) -> float:
    """The longest time in which nothing else ran while the call did."""
    loop = asyncio.get_running_loop()
    longest, is_done = 0.0, False

    async def tick() -> None:
        nonlocal longest
        last = loop.time()
        while not is_done:
            await asyncio.sleep(0)
            now = loop.time()
            longest, last = max(longest, now - last), now

    async with asyncio.TaskGroup() as group:
        group.create_task(tick())
        await asyncio.sleep(0)
        try:
            await call
        finally:
            is_done = True
    return longest


async def _into(bench: Bench, member: Any, received: list[Delivery]) -> None:
    received += await bench.take(member, 1)


async def _sent(bench: Bench, broker: Any, batch: list[Message]) -> None:
    results = await broker.send(batch, timeout_s=bench.limit(5))
    bad = [result for result in results if not isinstance(result, Confirmed)]
    expect(len(results) == len(batch) and not bad, f"{len(batch)} sent, results {results[:3]}")


@also("GRP-11")
async def group_address(bench: Bench) -> None:
    """A message to one group, on its main or retry lane, reaches no other and no stranger."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "a", "b")
        members = [await bench.subscribe(broker, topic, group) for group in ("a", "b", None)]
        private = [
            bench.message(topic, b"1", group="a"),
            bench.message(topic, b"2", group="a", lane="retry", attempt=2),
        ]
        await _sent(bench, broker, private)
        await _sent(bench, broker, [public := bench.message(topic, b"3")])
        mine = await bench.take(members[0], 3)
        expect({d.id for d in mine} == {public.id, *(m.id for m in private)}, "not all came to a")
        retried = next(d for d in mine if d.body == b"2")
        expect(retried.attempt == 2, f"a retry of attempt 2 came as attempt {retried.attempt}")
        await bench.settle(members[0], *mine)
        for name, member in (("b", members[1]), ("an anonymous one", members[2])):
            got = await bench.take(member, 1)
            expect(got[0].id == public.id, f"group {name} got a message of group a's")
            await bench.settle(member, *got)
            await nothing_more(bench, member, f"group {name} got a message of group a's")


@also("MSG-01")
async def every_field(bench: Bench) -> None:
    """Whatever core puts into a message is in its delivery, on the main lane and on retry."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g", partitions=3)
        member = await bench.subscribe(broker, topic, "g")
        for lane, group in (("main", None), ("retry", "g")):
            key = "kéy 1"
            sent = bench.message(
                topic,
                b'{"a": "\xc3\xa4"}',
                content_type="text/x.kit; charset=utf-8",
                headers={"One": "1", "two": " 2 "},
                key=key,
                partition=partition_of(key, 3),
                group=group,
                lane=lane,
                expires_at=FAR,
                attempt=3,
                correlation_id="corr",
                causation_id="cause",
                reply_to="reply.topic",
                meta={"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "anymq-kit": "é"},
            )
            await _sent(bench, broker, [sent])
            got = await bench.take(member, 1)
            await bench.settle(member, *got)
            _same(sent, got[0], lane)
            expect(got[0].group == "g", f"delivered to group {got[0].group!r}, not 'g'")


def _same(sent: Message, delivery: Delivery, lane: str) -> None:
    got = delivery.message
    for name in (*FIELDS, *LINKS):
        before, after = getattr(sent, name), getattr(got, name)
        expect(before == after, f"{lane} lane: {name} was {before!r} and became {after!r}")
    for name in ("headers", "meta"):
        before, after = dict(getattr(sent, name)), dict(getattr(got, name))
        lost = {k: after.get(k) for k, v in before.items() if after.get(k) != v}
        expect(not lost, f"{lane} lane: {name} {sorted(lost)} became {lost}")
    own = set(got.headers) - set(sent.headers)
    expect(not own, f"{lane} lane: headers {sorted(own)} came that nobody had set")
    expires = got.expires_at
    expect(expires is None or abs(expires - FAR) < 1, f"{lane} lane: expires_at became {expires}")
    drift = abs(got.timestamp - sent.timestamp)
    expect(drift <= TIMESTAMP_S, f"{lane} lane: the timestamp moved by {drift:.4g} s")
