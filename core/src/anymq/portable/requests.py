"""Request and reply: one private reply address per process, ready before the first request."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from anymq.codecs.codec import Codec
from anymq.codecs.envelope import Envelope
from anymq.codecs.reading import body_reader
from anymq.errors import RequestFailed, RequestTimeout
from anymq.events import ReplyDropped
from anymq.message import Delivery, Message
from anymq.outcome import ACK, Settlement
from anymq.portable.replies import REPLY_ERROR, REPLY_MESSAGE
from anymq.support.ids import new_id
from anymq.support.limits import within
from anymq.topology import RESERVED_PREFIX, Source, TopicSpec, Topology, TopologyMode

if TYPE_CHECKING:
    from anymq.abc import Subscription
    from anymq.app import App
    from anymq.runtime.engine import Engine

__all__ = ["Requests"]

WAIT_S = 30.0
PREFETCH = 100
CLOSE_S = 5.0


class Requests:
    """Requests that wait. Replies nobody waits for any more are dropped and counted."""

    def __init__(self, app: App, engine: Engine, codec: Codec, envelope: Envelope | None) -> None:
        self._app = app
        self._engine = engine
        self._codec = codec
        self._envelope = envelope
        self._address = f"{RESERVED_PREFIX}reply.{new_id()}"
        self._waiting: dict[str, asyncio.Future[Delivery]] = {}
        self._ready: asyncio.Lock = asyncio.Lock()
        self._subscription: Subscription | None = None
        self.late = 0

    async def request(
        self,
        topic: str,
        body: Any,
        *,
        timeout_s: float,
        reply_type: Any,
        options: Mapping[str, Any],
    ) -> Any:
        """Publish with our address and wait.

        Raises RequestTimeout, RequestFailed, DecodeError, and what ``publish`` raises.
        """
        reader = body_reader(self._codec, reply_type, envelope=self._envelope)
        limit: asyncio.Timeout | None = None
        try:
            async with asyncio.timeout(timeout_s) as limit:
                reply = await self._exchange(topic, body, timeout_s, options)
        except TimeoutError as error:
            if limit is None or not limit.expired():
                raise
            text = f"no reply from {topic!r} within {timeout_s:.3g} s"
            raise RequestTimeout(text) from error
        failure = reply.message.meta.get(REPLY_ERROR)
        if failure is not None:
            raise RequestFailed(failure, reply.message.meta.get(REPLY_MESSAGE, ""))
        return reader(reply.message)

    async def _exchange(
        self, topic: str, body: Any, timeout_s: float, options: Mapping[str, Any]
    ) -> Delivery:
        request_id = new_id()
        await self._listen()
        waiter: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = waiter
        try:
            await self._app.publish(
                topic,
                body,
                timeout_s=timeout_s,
                message_id=request_id,
                reply_to=self._address,
                **options,
            )
            return await waiter
        finally:
            del self._waiting[request_id]

    async def _listen(self) -> None:
        async with self._ready:
            if self._subscription is not None:
                return
            topology = Topology((TopicSpec(self._address),))
            broker = self._engine.broker
            await broker.declare(topology, mode=TopologyMode.MANAGE, timeout_s=WAIT_S)
            self._subscription = await broker.subscribe(
                Source((self._address,)), prefetch=PREFETCH, on_lost=lambda lost: None
            )
            self._engine.spawn(self._receive(self._subscription))

    async def _receive(self, subscription: Subscription) -> None:
        try:
            await self._hand_out(subscription)
        finally:
            # Told by whoever runs it; the next request listens anew.
            self._subscription = None
            async with within(CLOSE_S):
                await subscription.aclose(timeout_s=CLOSE_S)

    async def _hand_out(self, subscription: Subscription) -> None:
        while True:
            replies = await subscription.receive(max_messages=PREFETCH, wait_s=WAIT_S)
            for reply in replies:
                waiter = self._waiting.get(reply.message.causation_id or "")
                if waiter is None or waiter.done():
                    self._drop(reply.message)
                else:
                    waiter.set_result(reply)
            if replies:
                settlements = [Settlement(reply, ACK) for reply in replies]
                await subscription.settle(settlements, timeout_s=WAIT_S)

    def _drop(self, reply: Message) -> None:
        self.late += 1
        self._engine.tell(ReplyDropped(reply.id, reply.causation_id))
