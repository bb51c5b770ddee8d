"""A Broker and a Stream on a real server, in a namespace of their own, behind a cable to cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pytest

from anymq.abc import BackendContext, BackendEvent
from anymq.errors import Busy, TopologyError
from anymq.support.clock import SystemClock
from anymq.topology import GroupSpec, TopicSpec, Topology, TopologyMode
from anymq_rabbitmq.broker import RabbitMQBroker
from anymq_rabbitmq.options import RabbitMQOptions
from anymq_rabbitmq.stream import RabbitMQStream

CALL_S = 10.0


class Rig:
    """Opens drivers, declares, and tidies up."""

    def __init__(self, options: RabbitMQOptions) -> None:
        self.options = options
        self.events: list[BackendEvent] = []
        self.context = BackendContext(SystemClock(), namespace=f"unit-{uuid4().hex[:8]}")
        self.stack = AsyncExitStack()
        self._groups: list[tuple[str, str]] = []
        self._news = asyncio.Event()

    def hear(self, event: BackendEvent) -> None:
        """Take an event of a driver."""
        self.events.append(event)
        self._news.set()

    async def until(self, kind: str) -> None:
        """Wait for an event; those before it are forgotten."""
        async with asyncio.timeout(CALL_S):
            while kind not in [event.kind for event in self.events]:
                self._news.clear()
                await self._news.wait()
        while self.events and self.events.pop(0).kind != kind:
            pass

    async def broker(self, **changes: object) -> RabbitMQBroker:
        """A connected Broker."""
        broker = RabbitMQBroker(self.options.model_copy(update=changes), self.context)
        self.stack.push_async_callback(broker.aclose, timeout_s=CALL_S)
        await broker.open(self.hear)
        return broker

    async def stream(self, **changes: object) -> RabbitMQStream:
        """A connected Stream."""
        stream = RabbitMQStream(self.options.model_copy(update=changes), self.context)
        self.stack.push_async_callback(stream.aclose, timeout_s=CALL_S)
        await stream.open(self.hear)
        return stream

    async def declare(self, broker: RabbitMQBroker, topic: str, *groups: str) -> None:
        """One topic with its groups, which are removed at the end."""
        topology = Topology((TopicSpec(topic),), tuple(GroupSpec(topic, g) for g in groups))
        await broker.declare(topology, mode=TopologyMode.MANAGE, timeout_s=CALL_S)
        for group in groups:
            self.remove_later(topic, group)

    def remove_later(self, topic: str, group: str) -> None:
        """Remove a group at the end."""
        if (topic, group) not in self._groups:
            self._groups.append((topic, group))

    @property
    def url(self) -> str:
        """For the client library itself."""
        host, port = self.options.host, self.options.effective_port
        user, word = self.options.username, self.options.secret("password")
        return f"amqp://{user}:{word}@{host}:{port}/{self.options.path}"

    async def aclose(self) -> None:
        """Close everything, and remove the groups."""
        await self.stack.aclose()
        broker = RabbitMQBroker(self.options, self.context)
        await broker.open(self.hear)
        try:
            for topic, group in self._groups:
                await _remove(broker, topic, group)
        finally:
            await broker.aclose(timeout_s=CALL_S)

    async def cable(self) -> Cable:
        """A cable to the server that can be cut: options for drivers are in ``options``."""
        cable = Cable(self.options)
        await cable.open()
        self.stack.push_async_callback(cable.aclose)
        return cable


async def _remove(broker: RabbitMQBroker, topic: str, group: str) -> None:
    async with asyncio.timeout(CALL_S):
        while True:
            try:
                await broker.management().remove_group(topic, group)
                return
            except TopologyError:
                return  # the test removed it
            except Busy:
                await asyncio.sleep(0.05)  # between two looks at the condition


class Cable:
    """A TCP proxy in front of the server."""

    def __init__(self, options: RabbitMQOptions) -> None:
        self._target = (options.host, options.effective_port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._is_open = asyncio.Event()
        self._is_open.set()
        self.port = 0

    async def open(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Reset every connection that is there now; new ones are let through."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    def silence(self) -> None:
        """Pass nothing on, either way, and keep the connections."""
        self._is_open.clear()

    def mend(self) -> None:
        """End the silence."""
        self._is_open.set()

    async def aclose(self) -> None:
        """Cut, and listen no more."""
        self.mend()
        if self._server is not None:
            self._server.close()
        self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        ends = {writer, far_writer}
        self._writers |= ends
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(_pump(reader, far_writer, self._is_open))
                pumps.create_task(_pump(far_reader, writer, self._is_open))
        finally:
            self._writers -= ends
            for end in ends:
                end.close()


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_open: asyncio.Event
) -> None:
    try:
        while data := await reader.read(65536):
            await is_open.wait()
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@pytest.fixture
def options(rabbitmq_url: str) -> RabbitMQOptions:
    """The server's options."""
    parts = urlsplit(rabbitmq_url)
    return RabbitMQOptions(
        host=parts.hostname or "localhost",
        port=parts.port,
        username=unquote(parts.username or "guest"),
        password=unquote(parts.password or "guest"),
        path=unquote(parts.path.removeprefix("/")),
    )


@pytest.fixture
async def rig(options: RabbitMQOptions) -> AsyncIterator[Rig]:
    """What a test needs of the server."""
    rig = Rig(options)
    try:
        yield rig
    finally:
        await rig.aclose()
