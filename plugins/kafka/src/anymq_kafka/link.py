"""What a Broker and a Stream have in common: the clients of one application role."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaException

from anymq.abc import BackendContext, BackendEvent, EventSink, Health
from anymq.capabilities import Capabilities
from anymq.errors import AccessDenied, AnyMQError, BackendUnavailable, ClosedError, InvalidState
from anymq.outcome import Rejected, SendResult, Unknown
from anymq.support.thread_bridge import ThreadBridge
from anymq_kafka.admin import Admin
from anymq_kafka.capabilities import capabilities_of
from anymq_kafka.client_config import ClientConfig
from anymq_kafka.cluster import look_at
from anymq_kafka.declarations import Declarations
from anymq_kafka.declare import TopicMaker
from anymq_kafka.directory import TopicDirectory
from anymq_kafka.errors import error_of
from anymq_kafka.names import Names
from anymq_kafka.offsets import GroupOffsets
from anymq_kafka.options import KafkaOptions
from anymq_kafka.producer import ProducerThread
from anymq_kafka.wire import OutRecord

__all__ = ["Clients", "Link"]

_HEALTH_S = 1.5
_GIVE_UP_S = 2.0
_REFUSED_S = 1.0
"""Grace for the other servers once one has refused us."""


@dataclass(frozen=True, slots=True)
class Clients:
    """The open clients, and what works with them."""

    admin: Admin
    bridge: ThreadBridge
    producer: ProducerThread
    directory: TopicDirectory
    offsets: GroupOffsets
    topics: TopicMaker


class Link:
    """Owns the admin client and the producer; consumers belong to who opens them."""

    def __init__(self, options: KafkaOptions, context: BackendContext) -> None:
        self.options = options
        self.names = Names(options, context)
        self.config = ClientConfig(options, context)
        self.client_id = context.client_id
        self._events: EventSink = lambda _event: None
        self.declarations = Declarations(self._note_restored)
        self.trimmed = 0
        """Records that were deleted unread, as far as our subscriptions noticed."""
        self.on_recovered: Callable[[], None] = lambda: None
        """Called on the loop when the cluster can be reached again."""
        self.capabilities = capabilities_of(options)
        self._clients: Clients | None = None
        self._refused: AnyMQError | None = None
        self._looking: asyncio.Timeout | None = None
        self._is_closed = False
        self._is_abandoned = False
        self._is_lost = False

    @property
    def clients(self) -> Clients:
        """The open clients. Raises ClosedError after close, InvalidState before open."""
        if self._is_closed or self._is_abandoned:
            raise ClosedError("this connection to Kafka is closed")
        if self._clients is None:
            raise InvalidState("this connection to Kafka is not open yet")
        return self._clients

    async def open(self, events: EventSink) -> Capabilities:
        """Connect and look at the cluster. As ``Broker.open``."""
        if self._clients is not None or self._is_closed:
            raise InvalidState("this connection to Kafka was opened before")
        clients = self._connect()
        try:
            capabilities = await self._look(clients.admin)
            self.capabilities = capabilities
            self._clients = clients
        finally:
            if self._clients is None:
                await _close(clients, _GIVE_UP_S)
        self._events = events
        events(BackendEvent("connected", capabilities.server))
        return capabilities

    async def health(self) -> Health:
        """As ``Broker.health``."""
        try:
            found = await look_at(self.clients.admin, self.options, timeout_s=_HEALTH_S)
        except AnyMQError as error:
            return Health("down", str(error))
        facts = {**found.options, "lost_trimmed": str(self.trimmed)}
        return Health("degraded" if self._is_lost else "up", found.server, facts)

    async def send(self, records: Sequence[OutRecord], *, timeout_s: float) -> list[SendResult]:
        """Produce to topics that exist; the others are rejected. As ``Broker.send``."""
        clients = self.clients
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        try:
            await self.restore(timeout_s=timeout_s)
            missing = await clients.directory.missing(
                {record.topic for record in records}, timeout_s=timeout_s
            )
        except AccessDenied as error:
            return [Rejected("denied", str(error))] * len(records)
        except AnyMQError as error:
            return [Unknown(str(error))] * len(records)
        wanted = [r for r in records if r.topic not in missing] if missing else records
        sent = await clients.producer.send(wanted, timeout_s=max(until - loop.time(), 0.0))
        for record, result in zip(wanted, sent, strict=True):
            if isinstance(result, Rejected) and result.code == "not_found":
                clients.directory.forget(record.topic)
        if not missing:
            return sent
        found = iter(sent)
        return [
            Rejected("not_found", f"topic {record.topic!r} is not declared")
            if record.topic in missing
            else next(found)
            for record in records
        ]

    async def restore(self, *, timeout_s: float) -> None:
        """Declare again what a cluster has lost since it was last reached; mostly free.

        Raises: BackendUnavailable, AccessDenied, TopologyError.
        """
        await self.declarations.restore(self.clients.directory, timeout_s=timeout_s)

    def note_missing(self) -> None:
        """Somebody misses a topic: before we are back, it may be gone with all that there was.

        Each client of a cluster finds its own way back, and consumers may be faster than we are.
        """
        if self._is_lost:
            self.declarations.suspect()

    def abandon(self) -> None:
        """Refuse every further call; ``aclose`` still ends the threads."""
        self._is_abandoned = True

    async def aclose(self, *, timeout_s: float) -> None:
        """Flush and close. Idempotent; bounded."""
        clients, self._clients = self._clients, None
        self._is_closed = True
        if clients is not None:
            await _close(clients, timeout_s)

    def _connect(self) -> Clients:
        bridge = ThreadBridge(asyncio.get_running_loop())
        try:
            admin = Admin(self.config.admin(), name=f"{self.client_id}-kafka-admin", bridge=bridge)
            producer = ProducerThread(
                self.config.producer(),
                name=f"{self.client_id}-kafka-producer",
                bridge=bridge,
                on_connection=self._note_connection,
                on_refused=self._note_refused,
            )
        except KafkaException as error:
            raise error_of(error, "options of kafka://") from error
        producer.start()
        directory = TopicDirectory(admin)
        topics = TopicMaker(admin, directory, replication_factor=self.options.replication_factor)
        return Clients(admin, bridge, producer, directory, GroupOffsets(admin, self.config), topics)

    async def _look(self, admin: Admin) -> Capabilities:
        try:
            async with asyncio.timeout(None) as self._looking:
                return await look_at(admin, self.options, timeout_s=self.options.connect_timeout_s)
        except (BackendUnavailable, TimeoutError) as error:
            if self._refused is not None:
                raise self._refused from error
            raise
        finally:
            self._looking = None

    def _note_refused(self, refusal: AnyMQError) -> None:
        if self._looking is not None and self._refused is None:
            # One of several servers may let us in yet.
            self._looking.reschedule(asyncio.get_running_loop().time() + _REFUSED_S)
        self._refused = refusal

    def _note_connection(self, is_up: bool, text: str) -> None:
        self._is_lost = not is_up
        self._events(BackendEvent("recovered" if is_up else "lost", text))
        if is_up:
            self.declarations.suspect()
            self.on_recovered()

    def note_trimmed(self, topic: str, count: int) -> None:
        """Count records that were deleted before a subscription of ours had read them."""
        self.trimmed += count
        text = f"{count} record(s) of topic {topic!r} were deleted before they were read"
        self._events(BackendEvent("degraded", text))

    def _note_restored(self, text: str) -> None:
        self._events(BackendEvent("degraded", text))


async def _close(clients: Clients, timeout_s: float) -> None:
    async with asyncio.TaskGroup() as closing:
        closing.create_task(clients.producer.aclose(timeout_s=timeout_s))
        closing.create_task(clients.admin.aclose(timeout_s=timeout_s))
