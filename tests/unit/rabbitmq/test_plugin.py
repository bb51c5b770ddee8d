"""What core knows of the backend before it opens one."""

from __future__ import annotations

import subprocess
import sys

from anymq.abc import BackendContext
from anymq.support.clock import SystemClock
from anymq_rabbitmq.options import RabbitMQOptions
from anymq_rabbitmq.plugin import anymq_backends


def test_the_descriptor_imports_no_client() -> None:
    """Until a factory is called."""
    code = (
        "import sys, anymq_rabbitmq.plugin as p; list(p.anymq_backends());"
        "sys.exit(bool({'aio_pika', 'aiormq', 'pamqp'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0


def test_the_factories_make_unopened_drivers() -> None:
    """Without touching the network."""
    (descriptor,) = anymq_backends()
    context = BackendContext(SystemClock())
    assert descriptor.broker is not None
    assert descriptor.stream is not None

    assert type(descriptor.broker(RabbitMQOptions(), context)).__name__ == "RabbitMQBroker"
    assert type(descriptor.stream(RabbitMQOptions(), context)).__name__ == "RabbitMQStream"
    handled = {"release", "retry", "due_at", "order_by_key", "ttl", "wildcard"}
    assert descriptor.capabilities.handles == handled


def test_secrets_do_not_show() -> None:
    """Neither in the options' repr nor in the address for people."""
    options = RabbitMQOptions(password="s3cret", host="example.org")

    assert "s3cret" not in repr(options)
    assert options.address == "example.org:5672"
    assert RabbitMQOptions(scheme="amqps").effective_port == 5671
