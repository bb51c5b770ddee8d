"""What a cluster is: how many nodes, and what its confirmations survive."""

from __future__ import annotations

from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from anymq.capabilities import Capabilities, Durability
from anymq.errors import AccessDenied
from anymq_kafka.admin import Admin
from anymq_kafka.capabilities import capabilities_of
from anymq_kafka.directory import answer
from anymq_kafka.options import KafkaOptions

__all__ = ["look_at"]

_TOLD = (
    "default.replication.factor",
    "min.insync.replicas",
    "auto.create.topics.enable",
    "offsets.retention.minutes",
)


async def look_at(admin: Admin, options: KafkaOptions, *, timeout_s: float) -> Capabilities:
    """Ask the cluster what it is. Raises BackendUnavailable, AccessDenied."""
    cluster = await answer(
        admin.api.describe_cluster(request_timeout=timeout_s),
        "describe cluster",
        timeout_s=timeout_s,
    )
    nodes = list(cluster.nodes)
    config = await _config_of(admin, str(nodes[0].id), timeout_s) if nodes else {}
    copies = options.replication_factor
    if copies < 1:
        copies = int(config.get("default.replication.factor", "1"))
    in_sync = int(config.get("min.insync.replicas", "1"))
    survives_node = copies > in_sync > 1
    return capabilities_of(
        options,
        server=f"Apache Kafka, cluster {cluster.cluster_id}, {len(nodes)} node(s)",
        durability=Durability.NODE_LOSS if survives_node else Durability.PROCESS_CRASH,
        facts=config,
    )


async def _config_of(admin: Admin, node: str, timeout_s: float) -> dict[str, str]:
    """Settings that matter; none where we may not ask."""
    resource = ConfigResource(ResourceType.BROKER, node)
    futures = admin.api.describe_configs([resource], request_timeout=timeout_s)
    try:
        found = await answer(futures[resource], "describe broker", timeout_s=timeout_s)
    except AccessDenied:
        return {}
    return {name: str(found[name].value) for name in _TOLD if name in found}
