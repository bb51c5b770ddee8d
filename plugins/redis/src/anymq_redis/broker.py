"""The Broker on Redis Streams and their consumer groups."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar
from uuid import uuid4

from redis.asyncio import Redis

from anymq.abc import BackendContext, Broker, EventSink, Health, Management
from anymq.abc.broker import OnLost
from anymq.capabilities import Capabilities
from anymq.errors import ClosedError
from anymq.message import Message
from anymq.outcome import SendResult
from anymq.topology import Source, Topology, TopologyMode
from anymq_redis.condition import Condition
from anymq_redis.dialling import client
from anymq_redis.discovery import Discovery
from anymq_redis.keys import ANONYMOUS_PREFIX
from anymq_redis.ledger import Ledger
from anymq_redis.link import Greeting, Link
from anymq_redis.management import RedisManagement
from anymq_redis.member import Member
from anymq_redis.options import RedisOptions
from anymq_redis.probe import look, probe
from anymq_redis.renewing import RenewingSender
from anymq_redis.sending import Sender, for_topics
from anymq_redis.subscription import RedisSubscription
from anymq_redis.topology import Declarations
from anymq_redis.upkeep import Upkeep

__all__ = ["RedisBroker"]

NativeT = TypeVar("NativeT")

MARKER = "anymq.sender"
"""Begins the keys by which senders find out what was carried out; they expire."""


class RedisBroker(Broker):
    """One connection to send, one to administer, and two for each subscription."""

    def __init__(self, options: RedisOptions, context: BackendContext) -> None:
        self._options = options
        self._context = context
        self._condition = Condition(options.address)
        self._admin = self._link("admin")
        ledger = Ledger(f"{context.physical(MARKER)}:{uuid4().hex}")
        self._sender_link = self._link("sender", ledger)
        sender = Sender(
            self._sender_link,
            context.physical,
            address=options.address,
            name="send",
            build=for_topics,
            ledger=ledger,
        )
        self._declarations = Declarations(self._admin, context.physical, options.address)
        self._sender = RenewingSender(
            sender, self._sender_link, self._declarations, self._condition
        )
        self._subscriptions: list[RedisSubscription] = []
        self._client: Redis | None = None
        self._is_open = self._is_closed = False

    async def open(self, events: EventSink) -> Capabilities:
        try:
            capabilities = await probe(self._admin, self._options)
            self._is_open = True
        finally:
            if not self._is_open:
                await self._admin.aclose()
        self._condition.connected(events)
        return capabilities

    async def health(self) -> Health:
        if self._is_closed or not self._is_open:
            return Health("down", "closed" if self._is_closed else "not open yet")
        return await look(self._admin, self._options, self._condition)

    async def declare(self, topology: Topology, *, mode: TopologyMode, timeout_s: float) -> None:
        self._check_open()
        await self._declarations.declare(topology, mode, timeout_s=timeout_s)

    async def send(
        self, messages: Sequence[Message], *, timeout_s: float, atomic: bool = False
    ) -> Sequence[SendResult]:
        self._check_open()
        return await self._sender.send(messages, timeout_s=timeout_s, atomic=atomic)

    async def subscribe(
        self, source: Source, *, prefetch: int, on_lost: OnLost
    ) -> RedisSubscription:
        self._check_open()
        identity = uuid4().hex
        group = source.group or f"{ANONYMOUS_PREFIX}{identity}"
        discovery = Discovery(source, group, self._declarations, self._options)
        member = Member(
            await discovery.begin(),
            group=group,
            consumer=f"{self._context.client_id}-{identity}",
            is_private=source.group is None,
            is_ordered=source.order == "key",
            options=self._options,
        )
        await self._join(member)
        subscription = RedisSubscription(
            member,
            discovery=discovery,
            reader=self._link("reader", is_reader=True),
            settler=self._link("settler", is_reader=True),
            clock=self._context.clock,
            condition=self._condition,
            prefetch=prefetch,
            on_lost=on_lost,
            on_close=self._subscriptions.remove,
        )
        self._subscriptions.append(subscription)
        await subscription.begin()
        return subscription

    def management(self) -> Management:
        return RedisManagement(self._admin, self._declarations, self._options, self._context)

    def native(self, kind: type[NativeT]) -> NativeT | None:
        """The client library's ``Redis``, with a pool of its own; closed with the broker."""
        if not issubclass(Redis, kind):
            return None
        if self._client is None:
            self._check_open()
            self._client = client(self._options, f"{self._context.client_id}-native")
        return self._client  # type: ignore[return-value]  # of that kind, as was looked at above

    async def aclose(self, *, timeout_s: float) -> None:
        self._is_closed = True
        deadline = asyncio.get_running_loop().time() + timeout_s
        try:
            async with asyncio.TaskGroup() as closing:
                for subscription in self._subscriptions:
                    closing.create_task(subscription.aclose(timeout_s=timeout_s))
        finally:
            async with asyncio.timeout_at(deadline + 0.5):
                await self._sender_link.aclose()
                await self._admin.aclose()
                if self._client is not None:
                    await self._client.aclose()

    def abandon(self) -> None:
        """Vanish as a killed process does: nothing settled, all of it comes again, counted."""
        self._is_closed = True
        for subscription in tuple(self._subscriptions):
            subscription.abandon()
        self._sender_link.abandon()
        self._admin.abandon()

    async def _join(self, member: Member) -> None:
        # Renewed before it is made: nobody may take it for that of a dead subscription.
        commands = Upkeep(member, self._context.clock).renew() + member.join(member.feeds)
        await self._declarations.run(commands, timeout_s=self._options.request_timeout_s)

    def _link(
        self, purpose: str, greeting: Greeting | None = None, *, is_reader: bool = False
    ) -> Link:
        name = f"{self._context.client_id}-{purpose}"
        return Link(
            self._options, self._condition, name=name, greeting=greeting, is_reader=is_reader
        )

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedError("this broker is closed")
