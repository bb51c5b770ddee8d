"""What a server counts of its clients: connections, channels, consumers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit

from tests.faults.proxied import Proxied

__all__ = ["server_counts"]

CALL_S = 10.0


async def server_counts(server: Proxied, group_id: str) -> Mapping[str, int]:
    """As the server itself tells it; ``group_id`` is Kafka's name of the group to look at."""
    if server.backend == "redis":
        return await _redis(server)
    if server.backend == "rabbitmq":
        return await asyncio.to_thread(_rabbitmq, server)
    return await asyncio.to_thread(_kafka, server, group_id)


async def _redis(server: Proxied) -> Mapping[str, int]:
    import redis.asyncio as redis

    async with redis.from_url(server.direct_url) as client:
        connections = await client.client_list()
    return {"connections": len(connections) - 1}  # not the one that asks


def _rabbitmq(server: Proxied) -> Mapping[str, int]:
    counts = {}
    for what, column in (("connections", "pid"), ("channels", "pid"), ("consumers", "channel_pid")):
        listed = server.call(
            *("rabbitmq-tool", "rabbitmqctl", "-q", f"list_{what}", column, "--no-table-headers")
        )
        counts[what] = len(listed.split())
    return counts


def _kafka(server: Proxied, group_id: str) -> Mapping[str, int]:
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({"bootstrap.servers": urlsplit(server.direct_url).netloc})
    [future] = admin.describe_consumer_groups([group_id], request_timeout=CALL_S).values()
    return {"members": len(future.result(CALL_S).members)}
