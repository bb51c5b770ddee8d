"""TLS and users of RabbitMQ (FAULTS F28, F29): what must connect does, what must not says why."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from pydantic import SecretStr

from anymq.errors import AccessDenied, AnyMQError, BackendUnavailable, ConfigError
from tests.faults.rabbitmq_stage import options_of, rig_on
from tests.unit.rabbitmq.conftest import Rig
from tests.unit.rabbitmq.driving import CALL_S, ack, collect, join, message

pytestmark = pytest.mark.server("rabbitmq")


def _env(name: str) -> str:
    return os.environ[f"ANYMQ_TEST_RABBITMQ_{name}"]


def _tls(**changes: Any) -> dict[str, Any]:
    return {"tls_ca_file": _env("TLS_CA_FILE"), **changes}


@pytest.mark.parametrize("with_certificate", [False, True])
async def test_messages_go_over_tls(with_certificate: bool) -> None:
    """With the authority's certificate, and a client's own if there is one."""
    changes = _tls()
    if with_certificate:
        changes |= {
            "tls_cert_file": _env("TLS_CERT_FILE"),
            "tls_key_file": _env("TLS_KEY_FILE"),
        }
    async with rig_on(_env("URL")) as rig:
        rig_options, rig.options = rig.options, options_of(_env("TLS_URL"))
        broker = await rig.broker(**changes)
        rig.options = rig_options
        await rig.declare(broker, "news", "desk")
        desk = await join(broker, "desk")
        sent = [message(body=b"x" * 100_000) for _ in range(20)]
        await broker.send(sent, timeout_s=CALL_S)
        found = await collect(desk, 20)
        assert [delivery.id for delivery in found] == [m.id for m in sent]
        await ack(desk, found)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"tls_ca_file": "WRONG"}, ConfigError),
        ({"tls_ca_file": None}, ConfigError),
        ({"tls_ca_file": "/nowhere/ca.pem"}, ConfigError),
        ({"host": "localhost.localdomain.invalid"}, BackendUnavailable),
    ],
    ids=["stranger", "system", "missing-file", "no-host"],
)
async def test_f28_a_server_that_is_not_trusted(
    changes: dict[str, Any], error: type[AnyMQError]
) -> None:
    """Refused at once by a name of ours, with nothing left running."""
    if changes.get("tls_ca_file") == "WRONG":
        changes = {"tls_ca_file": _env("TLS_WRONG_CA_FILE")}
    before = asyncio.all_tasks()
    rig = Rig(options_of(_env("TLS_URL")))
    with pytest.raises(error):
        await rig.broker(**_tls(**changes))
    await rig.stack.aclose()
    assert asyncio.all_tasks() <= before


async def test_f28_the_wrong_kind_of_port() -> None:
    """TLS to a plain port, and plain text to a TLS port: an error in time, not a hang."""
    plain, encrypted = options_of(_env("URL")), options_of(_env("TLS_URL"))
    for rig, port in (
        (Rig(encrypted), plain.effective_port),
        (Rig(plain), encrypted.effective_port),
    ):
        changes = _tls() if rig.options.scheme == "amqps" else {}
        with pytest.raises((BackendUnavailable, ConfigError)):
            await rig.broker(port=port, connect_timeout_s=3.0, **changes)
        await rig.stack.aclose()


async def test_a_user_with_a_virtual_host_of_its_own() -> None:
    """Declares, publishes and consumes there, over TLS too; a wrong password is refused."""
    for name, changes in (("AUTH_URL", {}), ("TLS_AUTH_URL", _tls())):
        async with rig_on(_env("AUTH_URL")) as rig:
            plain, rig.options = rig.options, options_of(_env(name))
            broker = await rig.broker(**changes)
            rig.options = plain
            await rig.declare(broker, "news", "desk")
            desk = await join(broker, "desk")
            await broker.send([message()], timeout_s=CALL_S)
            await ack(desk, await collect(desk, 1))
    rig = Rig(options_of(_env("AUTH_URL")))
    with pytest.raises(AccessDenied) as caught:
        await rig.broker(password=SecretStr("wr0ng"))
    assert "wr0ng" not in str(caught.value)
    await rig.stack.aclose()
