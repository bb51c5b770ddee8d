"""The client's errors as ours."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from aiormq import exceptions as amqp

from anymq.errors import AccessDenied, BackendUnavailable, Busy, ConfigError, TopologyError
from anymq_rabbitmq.errors import map_error, translated


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (amqp.ProbableAuthenticationError("ACCESS_REFUSED"), AccessDenied),
        (amqp.ChannelAccessRefused("ACCESS_REFUSED - exchange"), AccessDenied),
        (amqp.ChannelLockedResource("RESOURCE_LOCKED"), Busy),
        (amqp.ChannelNotFoundEntity("NOT_FOUND"), TopologyError),
        (
            amqp.ChannelNotFoundEntity(
                "NOT_FOUND - queue 'q' in vhost '/' is down or inaccessible"
            ),
            BackendUnavailable,
        ),
        (amqp.ChannelPreconditionFailed("PRECONDITION_FAILED"), TopologyError),
        (amqp.ConnectionClosed(530, "NOT_ALLOWED - vhost x not found"), ConfigError),
        (amqp.ConnectionClosed(530, "NOT_ALLOWED - access to vhost 'x' refused"), AccessDenied),
        (amqp.ConnectionClosed(320, "CONNECTION_FORCED"), BackendUnavailable),
        (amqp.ChannelInvalidStateError("closed"), BackendUnavailable),
        (ConnectionResetError(104, "reset"), BackendUnavailable),
        (TimeoutError(), BackendUnavailable),
    ],
)
def test_each_has_its_place(error: Exception, ours: type[Exception]) -> None:
    """Most specific first; the server's words stay."""
    mapped = map_error(error, "testing")

    assert type(mapped) is ours
    assert "while testing" in str(mapped)


def test_a_refused_certificate_is_a_configuration_error() -> None:
    """It will not get better by trying again."""
    error = amqp.AMQPConnectionError("ssl")
    error.__cause__ = ssl.SSLCertVerificationError(1, "self-signed")

    assert isinstance(map_error(error, "connecting"), ConfigError)


async def test_a_cancellation_nobody_asked_for_is_a_lost_connection() -> None:
    """aiormq raises it in callers when heartbeats stay away."""
    with pytest.raises(BackendUnavailable), translated("publishing"):
        raise asyncio.CancelledError


async def test_a_real_cancellation_passes() -> None:
    """It is the caller's."""

    async def wait() -> None:
        with translated("publishing"):
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()

    assert task.cancelled()
