"""Lies about opening and closing: what goes on, what is lost, and what is left behind."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from typing import Any

from anymq.abc import BackendEvent, Health
from anymq.message import Message
from anymq.outcome import ACK, CONFIRMED, Settlement
from tests.conformance.broken.lie import LyingBroker, LyingMember, lie

__all__ = [
    "BrokerCloseIsNotIdempotent",
    "BufferIsLostOnClose",
    "CloseHangs",
    "CloseIsNotIdempotent",
    "CloseKeepsTheUnsettled",
    "CloseOfOneClosesAll",
    "CloseSettles",
    "CloseWaitsForSettlement",
    "HealthAlwaysDown",
    "HealthAlwaysUp",
    "HealthRaises",
    "HealthTakesLong",
    "KeepsAnAnonymousQueue",
    "LeaksAConsumer",
    "LeaksADescriptor",
    "LeaksATask",
    "LeaksAThread",
    "OpensAlthoughDown",
    "SendsAfterClose",
    "SettleFailsAfterStop",
    "StopDropsPrefetched",
    "StopOfOneStopsAll",
    "SubscribeDisturbsOthers",
    "TellsNothing",
]

_leaked: list[Any] = []


@lie(
    "buffer-is-lost-on-close",
    "confirms what is in a buffer that close drops",
    "LIF-10",
    unharmed=["CFG-06"],
)
class BufferIsLostOnClose(LyingBroker):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.buffer: list[Message] = []

    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        if any(message.topic not in self.space.topics for message in messages):
            return await super().send(messages, **options)
        self.buffer += messages
        if len(self.buffer) >= 20:
            full, self.buffer = self.buffer, []
            await super().send(full, **options)
        return [CONFIRMED] * len(messages)


@lie("close-hangs", "never ends closing", "LIF-04", "LIF-05", unharmed=["CFG-06"])
class CloseHangs(LyingBroker):
    async def aclose(self, *, timeout_s: float) -> None:
        await super().aclose(timeout_s=timeout_s)
        await asyncio.Event().wait()


@lie("close-waits-for-settlement", "closes only once all is settled", "LIF-05", "GRP-09")
class CloseWaitsForSettlement(LyingMember):
    async def aclose(self, *, timeout_s: float) -> None:
        while self.inner._held:  # noqa: ASYNC110 - that is the lie
            await asyncio.sleep(0.01)
        await self.inner.aclose(timeout_s=timeout_s)


@lie("close-is-not-idempotent", "raises when it is closed twice", "LIF-04")
class CloseIsNotIdempotent(LyingMember):
    async def aclose(self, *, timeout_s: float) -> None:
        if self.inner._closed:
            raise RuntimeError("closed already")
        await self.inner.aclose(timeout_s=timeout_s)


@lie("broker-close-is-not-idempotent", "raises when its broker is closed twice", "LIF-04")
class BrokerCloseIsNotIdempotent(LyingBroker):
    async def aclose(self, *, timeout_s: float) -> None:
        if self._closed:
            raise RuntimeError("closed already")
        await super().aclose(timeout_s=timeout_s)


@lie("close-of-one-closes-all", "closing one subscription closes every one", "LIF-16")
class CloseOfOneClosesAll(LyingMember):
    async def aclose(self, *, timeout_s: float) -> None:
        for other in tuple(self.broker._subscriptions):
            await other.aclose(timeout_s=timeout_s)


@lie("stop-of-one-stops-all", "stopping one subscription stops every one", "LIF-16")
class StopOfOneStopsAll(LyingMember):
    async def stop(self) -> None:
        for other in tuple(self.broker._subscriptions):
            await other.stop()


@lie("subscribe-disturbs-others", "gives back what others hold when somebody joins", "LIF-17")
class SubscribeDisturbsOthers(LyingBroker):
    async def subscribe(self, source: Any, **options: Any) -> Any:
        for member in tuple(self._subscriptions):
            lost = [d for d, _ in member._held.values()]
            for delivery, group in tuple(member._held.values()):
                group.give_back(delivery, uncounted=False)
            member._held.clear()
            member._leases.clear()
            if lost:
                member._on_lost(lost)
        return await super().subscribe(source, **options)


@lie("close-settles", "acknowledges what is open when it closes", "GRP-09", "LIF-05")
class CloseSettles(LyingMember):
    async def aclose(self, *, timeout_s: float) -> None:
        held = [delivery for delivery, _ in tuple(self.inner._held.values())]
        await self.inner.settle([Settlement(delivery, ACK) for delivery in held], timeout_s=5)
        await self.inner.aclose(timeout_s=timeout_s)


@lie("close-keeps-the-unsettled", "gives nothing back before the lease ends", "GRP-09")
class CloseKeepsTheUnsettled(LyingMember):
    async def aclose(self, *, timeout_s: float) -> None:
        held = list(self.inner._held.values())
        self.inner._held.clear()
        await self.inner.aclose(timeout_s=timeout_s)

        def give_back() -> None:
            for delivery, group in held:
                group.give_back(delivery, uncounted=True)

        asyncio.get_running_loop().call_later(3, give_back)


@lie("stop-drops-prefetched", "drops on stop what waits for the group", "LIF-15")
class StopDropsPrefetched(LyingMember):
    async def stop(self) -> None:
        for group in self.inner.groups:
            group.purge()
        await self.inner.stop()


@lie("settle-fails-after-stop", "takes no settlement once it is stopped", "LIF-11")
class SettleFailsAfterStop(LyingMember):
    async def stop(self) -> None:
        await self.inner.stop()
        for delivery, group in tuple(self.inner._held.values()):
            group.give_back(delivery, uncounted=True)
        self.inner._held.clear()


@lie("sends-after-close", "confirms messages when it is closed", "LIF-08")
class SendsAfterClose(LyingBroker):
    def _check_open(self) -> None:
        """Say nothing."""


@lie("leaks-a-task", "leaves a task behind for each subscription", "LIF-04", "DEL-02", unharmed=())
class LeaksATask(LyingBroker):
    async def subscribe(self, source: Any, **options: Any) -> Any:
        loop = asyncio.get_running_loop()
        _leaked.append(loop.create_task(asyncio.sleep(3600)))
        return await super().subscribe(source, **options)


@lie("leaks-a-thread", "leaves a thread behind for each subscription", "LIF-04", unharmed=())
class LeaksAThread(LyingBroker):
    async def subscribe(self, source: Any, **options: Any) -> Any:
        let_go = threading.Event()
        threading.Thread(target=let_go.wait, args=(20,), daemon=True).start()
        return await super().subscribe(source, **options)


@lie("leaks-a-descriptor", "leaves pipes open for each broker", "LIF-04", unharmed=())
class LeaksADescriptor(LyingBroker):
    async def open(self, events: Any) -> Any:
        _leaked.extend(os.pipe() + os.pipe())
        return await super().open(events)


@lie("leaks-a-consumer", "stays a member of the group after it closed", "LIF-14", unharmed=())
class LeaksAConsumer(LyingMember):
    async def aclose(self, *, timeout_s: float) -> None:
        first = not self.inner._closed
        await self.inner.aclose(timeout_s=timeout_s)
        for group in self.inner.groups if first else ():
            group.members += 1


@lie("keeps-an-anonymous-queue", "leaves an anonymous queue behind", "GRP-04", unharmed=("MSG-02",))
class KeepsAnAnonymousQueue(LyingBroker):
    def _forget(self, subscription: Any) -> None:
        self._subscriptions.remove(subscription)


@lie("opens-although-down", "opens while its server is down", "LIF-02")
class OpensAlthoughDown(LyingBroker):
    async def open(self, events: Any) -> Any:
        kept, self.space.outage = self.space.outage, None
        try:
            return await super().open(events)
        finally:
            self.space.outage = kept


@lie("health-always-up", "is healthy while its server is down", "OBS-02")
class HealthAlwaysUp(LyingBroker):
    async def health(self) -> Health:
        return Health("up")


@lie("health-always-down", "is unhealthy while all is well", "OBS-01", "LIF-01")
class HealthAlwaysDown(LyingBroker):
    async def health(self) -> Health:
        return Health("down", "who knows")


@lie("health-raises", "raises from health while its server is down", "OBS-03")
class HealthRaises(LyingBroker):
    async def health(self) -> Health:
        self.space.check_up()
        return await super().health()


@lie("health-takes-long", "needs five seconds to tell its health", "OBS-03")
class HealthTakesLong(LyingBroker):
    async def health(self) -> Health:
        await asyncio.sleep(5)
        return await super().health()


@lie("tells-nothing", "tells no event when it has connected", "LIF-01")
class TellsNothing(LyingBroker):
    async def open(self, events: Any) -> Any:
        def silent(event: BackendEvent) -> None:
            """Keep it to itself."""

        return await super().open(silent)
