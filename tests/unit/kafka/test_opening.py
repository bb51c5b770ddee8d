"""Opening, health and closing where there is no broker, a wrong one, or refused options."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from anymq.abc import BackendContext, BackendEvent
from anymq.capabilities import Durability, Support
from anymq.errors import BackendUnavailable, ConfigError, InvalidState
from anymq.support.clock import SystemClock
from anymq.topology import Source
from anymq_kafka.broker import KafkaBroker
from anymq_kafka.options import KafkaOptions
from tests.unit.kafka.bench import CALL_S, Bench

CONTEXT = BackendContext(SystemClock(), client_id="unit")


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.mark.parametrize("kind", ["deaf_port", "closed_port"])
async def test_no_broker_is_told_in_time_and_leaves_nothing(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """Open raises within the connect timeout; no thread of ours goes on."""
    before = set(threading.enumerate())
    port = request.getfixturevalue(kind)
    broker = KafkaBroker(KafkaOptions(host="127.0.0.1", port=port, connect_timeout_s=1.0), CONTEXT)
    began = time.monotonic()

    with pytest.raises(BackendUnavailable):
        await broker.open(lambda _event: None)

    assert time.monotonic() - began < 3.0
    await broker.aclose(timeout_s=CALL_S)
    assert set(threading.enumerate()) == before


async def test_options_that_the_client_refuses_name_the_setting(closed_port: int) -> None:
    """A property that does not exist is a configuration error, before any connection."""
    options = KafkaOptions(host="127.0.0.1", port=closed_port, client={"no.such.thing": "1"})

    with pytest.raises(ConfigError, match=r"no\.such\.thing"):
        await KafkaBroker(options, CONTEXT).open(lambda _event: None)


def test_no_secret_is_shown() -> None:
    """Neither password appears in the options' text."""
    options = KafkaOptions(
        username="app", password=SecretStr("s3cr3t"), tls_key_password=SecretStr("k3y")
    )

    assert "s3cr3t" not in repr(options)
    assert "k3y" not in repr(options)


@pytest.mark.server("kafka")
async def test_an_open_broker_tells_what_it_is(bench: Bench) -> None:
    """One event, the cluster's name, and no more durability than one node has."""
    broker = KafkaBroker(bench.options(), CONTEXT)
    events: list[BackendEvent] = []
    try:
        found = await broker.open(events.append)
        health = await broker.health()
        with pytest.raises(InvalidState):
            await broker.open(events.append)
    finally:
        await broker.aclose(timeout_s=CALL_S)

    assert [event.kind for event in events] == ["connected"]
    assert found.server.startswith("Apache Kafka")
    assert found.durability is Durability.PROCESS_CRASH
    assert found.level("order_by_key") is Support.NATIVE
    assert found.handles == {"release", "order_by_key", "wildcard"}
    assert health.status == "up"


@pytest.mark.server("kafka")
async def test_the_clients_can_be_had(bench: Bench) -> None:
    """The producer and the admin client, as the library has them; nothing of another type."""
    broker = await bench.broker()

    producer, admin = broker.native(Producer), broker.native(AdminClient)

    assert isinstance(producer, Producer)
    assert isinstance(admin, AdminClient)
    assert broker.native(Consumer) is None


async def test_closing_ends_every_thread(bench: Bench) -> None:
    """Producer, members and anonymous subscriptions: none goes on, within the limit."""
    before = set(threading.enumerate())
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    for group in ("desk", "desk", None):
        await broker.subscribe(Source(("news",), group), prefetch=5, on_lost=bench.lost.extend)
    began = time.monotonic()

    await broker.aclose(timeout_s=CALL_S)

    assert time.monotonic() - began < CALL_S
    assert set(threading.enumerate()) - before == set()
    assert asyncio.all_tasks() == {asyncio.current_task()}
