"""TLS and logins on every server: what works, and what is said where it does not."""

from __future__ import annotations

import asyncio
import os
import shlex
import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from anymq import App
from anymq.errors import AccessDenied, AnyMQError, ConfigError, PublishRejected, PublishUnknown
from anymq.events import ConsumerStopped
from tests.servers import stand_in

START_S = 5.0
"""A start that cannot succeed has failed by then: after 1.5 s where nothing else runs."""
LIMIT_S = 30.0
SCHEMES = {
    "redis": ("redis", "rediss"),
    "rabbitmq": ("amqp", "amqps"),
    "kafka": ("kafka", "kafkas"),
}

on_every_server = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.server(name)) for name in SCHEMES]
)


def told(name: str, what: str) -> str:
    """One of the variables that tell of a server, as `TLS_URL`."""
    variable = f"ANYMQ_TEST_{name.upper()}_{what}"
    if variable in os.environ:
        return os.environ[variable]
    if os.environ.get("CI") and stand_in(name) == name:
        pytest.fail(f"{variable} is not set")
    pytest.skip(f"{variable} is not set: a server of the user's, or one that was built without TLS")


def url(name: str, what: str, **options: str) -> str:
    """A URL with options in its query; Kafka's user logs in by SCRAM."""
    if name == "kafka" and "AUTH" in what:
        options = {"sasl_mechanism": "SCRAM-SHA-512", **options}
    query = "&".join(f"{key}={value}" for key, value in options.items())
    return f"{told(name, what)}?{query}" if query else told(name, what)


def by_tls(name: str) -> str:
    return url(name, "TLS_URL", tls_ca_file=told(name, "TLS_CA_FILE"))


def by_certificate(name: str) -> str:
    files = {
        "tls_ca_file": told(name, "TLS_CA_FILE"),
        "tls_cert_file": told(name, "TLS_CERT_FILE"),
        "tls_key_file": told(name, "TLS_KEY_FILE"),
    }
    return url(name, "TLS_URL", **files)


def by_login(name: str) -> str:
    return url(name, "AUTH_URL")


def by_login_over_tls(name: str) -> str:
    return url(name, "TLS_AUTH_URL", tls_ca_file=told(name, "TLS_CA_FILE"))


async def round_trip(address: str) -> str:
    """Publish one message and return what a subscriber gets."""
    app = App(address)
    topic = f"secured-{uuid4().hex[:8]}"
    app.topic(topic)
    heard: asyncio.Queue[str] = asyncio.Queue()

    @app.subscriber(topic, group="readers")
    async def hear(body: str) -> None:
        heard.put_nowait(body)

    async with asyncio.timeout(LIMIT_S), app:
        await app.publish(topic, "hello")
        return await heard.get()


async def failure(address: str) -> tuple[AnyMQError, float]:
    """Return what a start raises, and after how many seconds."""
    began = time.monotonic()
    with pytest.raises(AnyMQError) as caught:
        async with asyncio.timeout(LIMIT_S), App(address):
            pass
    return caught.value, time.monotonic() - began


@on_every_server
@pytest.mark.parametrize("way", [by_tls, by_certificate, by_login, by_login_over_tls])
async def test_messages_pass(name: str, way: Callable[[str], str]) -> None:
    """By URL and options alone, in every way that the server knows."""
    assert await round_trip(way(name)) == "hello"


@pytest.mark.server("kafka")
async def test_kafka_user_may_log_in_by_plain() -> None:
    """The mechanism where none is named."""
    assert await round_trip(told("kafka", "AUTH_URL")) == "hello"


@on_every_server
async def test_authority_that_did_not_sign_is_told(name: str) -> None:
    """No start, no fallback, and the option to look at."""
    wrong = url(name, "TLS_URL", tls_ca_file=told(name, "TLS_WRONG_CA_FILE"))

    error, took_s = await failure(wrong)

    assert isinstance(error, ConfigError)
    assert "certificate" in str(error)
    assert "tls_ca_file" in str(error)
    assert took_s < START_S


@on_every_server
async def test_server_of_another_name_is_refused(name: str) -> None:
    """The certificate is good, and not this host's: `127.1` leads to 127.0.0.1."""
    error, took_s = await failure(by_tls(name).replace("127.0.0.1", "127.1"))

    assert isinstance(error, ConfigError)
    assert "certificate" in str(error)
    assert took_s < START_S


@on_every_server
async def test_authority_that_is_missing_is_told(name: str) -> None:
    """A mistake of the configuration, not a server that may come yet."""
    error, took_s = await failure(url(name, "TLS_URL", tls_ca_file="/nowhere/ca.pem"))

    assert isinstance(error, ConfigError)
    assert took_s < START_S


@on_every_server
@pytest.mark.parametrize("way", [by_login, by_login_over_tls])
async def test_wrong_password_is_denied_and_never_shown(
    name: str, way: Callable[[str], str]
) -> None:
    """Fatal, and the message says what to look at."""
    error, took_s = await failure(way(name).replace("app-secret", "hunter2"))

    assert isinstance(error, AccessDenied)
    assert "user" in str(error)
    assert "hunter2" not in repr(error)
    assert took_s < START_S


@pytest.mark.long
@on_every_server
async def test_revoked_user_is_told_and_may_publish_once_let_in(name: str) -> None:
    """What is published meanwhile fails; subscribers stop, and health says that all is down."""
    app = App(by_login(name), publish_timeout_s=2.0)
    topic = f"secured-{uuid4().hex[:8]}"
    app.topic(topic)
    stopped: asyncio.Queue[ConsumerStopped] = asyncio.Queue()

    @app.subscriber(topic, group="readers")
    async def hear(body: str) -> None:
        assert body

    @app.on_event
    def note(event: object) -> None:
        if isinstance(event, ConsumerStopped):
            stopped.put_nowait(event)

    async with asyncio.timeout(2 * LIMIT_S), app:
        await app.publish(topic, "before")
        await order(name, "revoke")
        try:
            error = await refusal(app, topic)
            told_by = await stopped.get()
            health = await app.health()
        finally:
            await order(name, "grant")
        await publish_until_it_works(app, topic)

    assert isinstance(error, PublishRejected | PublishUnknown)
    assert "AccessDenied" in told_by.error
    assert health.status == "down"


async def refusal(app: App, topic: str) -> AnyMQError:
    """Publish until it fails: Kafka lets a user stay until his login runs out."""
    while True:
        try:
            await app.publish(topic, "meanwhile")
        except AnyMQError as error:
            return error


async def publish_until_it_works(app: App, topic: str) -> None:
    """Publish until it is confirmed; each try has a limit of its own."""
    while True:
        try:
            await app.publish(topic, "after")
        except (PublishRejected, PublishUnknown):
            continue
        return


async def order(name: str, verb: str) -> None:
    """Give the server an order; it is carried out when this returns."""
    argv = [*shlex.split(told(name, "CONTROL")), verb]
    process = await asyncio.create_subprocess_exec(*argv)
    async with asyncio.timeout(LIMIT_S):
        assert await process.wait() == 0
