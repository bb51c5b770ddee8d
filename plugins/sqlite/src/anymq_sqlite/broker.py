"""The Broker on one SQLite file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from anymq.abc import BackendContext, Broker, EventSink, Health, Management
from anymq.abc.broker import OnLost
from anymq.capabilities import Capabilities
from anymq.errors import AnyMQError, ClosedError, TopologyError
from anymq.message import Message
from anymq.outcome import SendResult
from anymq.topology import GroupSpec, Source, TopicSpec, Topology, TopologyMode
from anymq_sqlite.capabilities import capabilities_of
from anymq_sqlite.condition import look
from anymq_sqlite.errors import refusal
from anymq_sqlite.management import SqliteManagement
from anymq_sqlite.membership import Membership
from anymq_sqlite.naming import Names
from anymq_sqlite.options import SqliteOptions
from anymq_sqlite.sending import sending
from anymq_sqlite.session import Session
from anymq_sqlite.store import Store
from anymq_sqlite.subscription import SqliteSubscription
from anymq_sqlite.topology import declare

__all__ = ["SqliteBroker"]


class SqliteBroker(Broker):
    """Queues in tables of one file, shared by all processes of this machine."""

    def __init__(self, options: SqliteOptions, context: BackendContext) -> None:
        self._options = options
        self._context = context
        self._store = Store(options, on_exchange=self._declare_again)
        self._topics: dict[str, TopicSpec] = {}
        self._groups: dict[tuple[str, str], GroupSpec] = {}
        self._names = Names(context, options.file)
        self._subscriptions: list[SqliteSubscription] = []
        self._closed = False

    async def open(self, events: EventSink) -> Capabilities:
        await self._store.open(events)
        return capabilities_of(self._options)

    async def health(self) -> Health:
        if self._closed:
            return Health("down", "closed")
        return await look(self._store)

    async def declare(self, topology: Topology, *, mode: TopologyMode, timeout_s: float) -> None:
        self._check_open()
        names = self._names
        await self._store.run(
            lambda session: declare(session, topology, mode, names),
            timeout_s=timeout_s,
            writes=mode is TopologyMode.MANAGE,
        )
        if mode is TopologyMode.MANAGE:
            self._topics |= {topic.name: topic for topic in topology.topics}
            self._groups |= {(group.topic, group.name): group for group in topology.groups}

    async def send(
        self, messages: Sequence[Message], *, timeout_s: float, atomic: bool = False
    ) -> Sequence[SendResult]:
        self._check_open()
        if not messages:
            return []
        limit = self._options.max_file_bytes
        work = sending(messages, atomic=atomic, names=self._names, max_bytes=limit)
        try:
            return await self._store.run(work, timeout_s=timeout_s)
        except ClosedError:
            raise
        except AnyMQError as error:
            return [refusal(error)] * len(messages)

    async def subscribe(
        self, source: Source, *, prefetch: int, on_lost: OnLost
    ) -> SqliteSubscription:
        self._check_open()
        membership = Membership(
            self._store,
            source,
            self._names,
            client=self._context.client_id,
            lease_s=self._options.lease_s,
            timeout_s=self._options.request_timeout_s,
        )
        await membership.join()
        subscription = SqliteSubscription(
            membership,
            prefetch=prefetch,
            clock=self._context.clock,
            on_lost=on_lost,
            on_close=self._subscriptions.remove,
        )
        self._subscriptions.append(subscription)
        return subscription

    def management(self) -> Management:
        return SqliteManagement(self._store, self._names, self._options, self._context.clock)

    async def aclose(self, *, timeout_s: float) -> None:
        self._closed = True
        deadline = asyncio.get_running_loop().time() + timeout_s
        try:
            async with asyncio.TaskGroup() as closing:
                for subscription in tuple(self._subscriptions):
                    closing.create_task(subscription.aclose(timeout_s=timeout_s * 0.7))
        finally:
            rest_s = deadline - asyncio.get_running_loop().time()
            await self._store.aclose(timeout_s=max(0.1, rest_s))

    def abandon(self) -> None:
        """Vanish as a killed process does: every subscription leaves without settling."""
        self._closed = True
        for subscription in tuple(self._subscriptions):
            subscription.abandon()
        self._store.let_go()

    def _declare_again(self, session: Session) -> None:
        """In the thread: what was declared, in a file that took the place of another one."""
        parts = [Topology((topic,)) for topic in self._topics.values()]
        parts += [Topology((), (group,)) for group in self._groups.values()]
        for part in parts:
            with suppress(TopologyError):  # it has that otherwise, and keeps it
                declare(session, part, TopologyMode.MANAGE, self._names)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("this broker is closed")
