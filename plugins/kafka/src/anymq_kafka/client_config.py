"""Our options as properties of librdkafka, with a reason for each that is not its default."""

from __future__ import annotations

import logging
from typing import Any

from anymq.abc import BackendContext
from anymq_kafka.options import KafkaOptions

__all__ = ["ClientConfig", "Properties"]

Properties = dict[str, Any]

OVERHEAD_BYTES = 65_536
"""Room for headers, key and framing above ``max_message_bytes``."""
_CONSUMER_BUFFER_KB = 16_384
_PRODUCER_BUFFER_KB = 65_536
_CRITICAL = 2
_LOG = logging.getLogger("anymq_kafka")


class ClientConfig:
    """Builds the properties of every client of one application role."""

    def __init__(self, options: KafkaOptions, context: BackendContext) -> None:
        self._options = options
        self._client_id = context.client_id

    @property
    def record_bytes(self) -> int:
        """The largest record, headers and framing included."""
        return self._options.max_message_bytes + OVERHEAD_BYTES

    def admin(self) -> Properties:
        """An AdminClient tells everything by its futures."""
        return self._with_overrides(self._base())

    def producer(self) -> Properties:
        """Idempotent, acks=all, murmur2 as the Java client places keys."""
        options = self._options
        return self._with_overrides(
            {
                **self._base(),
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",
                # Without a key each message has a partition by chance; the default takes one
                # partition for 10 ms, so that one member would get a whole batch.
                "sticky.partitioning.linger.ms": 0,
                "linger.ms": options.linger_ms,
                "compression.type": options.compression,
                "message.max.bytes": self.record_bytes,
                "message.timeout.ms": _ms(options.request_timeout_s),
                "queue.buffering.max.messages": 500_000,
                "queue.buffering.max.kbytes": _PRODUCER_BUFFER_KB,
            }
        )

    def consumer(self, group_id: str, prefetch: int) -> Properties:
        """Commits nothing by itself; begins at the oldest record where nothing is committed."""
        # A pause drops what was fetched ahead, so consumers of few messages fetch little at once.
        partition_bytes = min(max(prefetch * 16_384, 65_536), 1_048_576)
        return self._with_overrides(
            {
                **self._base(),
                "group.id": group_id,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "allow.auto.create.topics": False,
                # A partition that is assigned or resumed waits for the running fetch to return.
                "fetch.wait.max.ms": 100,
                "fetch.error.backoff.ms": 100,
                # How long fetching rests once the buffer is full; its default is a second.
                "fetch.queue.backoff.ms": 20,
                "max.partition.fetch.bytes": partition_bytes,
                "queued.max.messages.kbytes": _CONSUMER_BUFFER_KB,
                # How long a member that does not poll can hold up a rebalance of its group.
                "max.poll.interval.ms": max(60_000, 2 * _ms(self._options.session_timeout_s)),
            }
        )

    def private(self, group_id: str, prefetch: int) -> Properties:
        """A consumer of an anonymous subscription."""
        # We count what was deleted unread, and go on behind it.
        return self.consumer(group_id, prefetch) | {"auto.offset.reset": "error"}

    def member(self, group_id: str, prefetch: int) -> Properties:
        """A consumer that shares a group's partitions with others."""
        found = self.private(group_id, prefetch)
        found["group.protocol"] = self._options.group_protocol
        if self._options.group_protocol == "classic":
            found["partition.assignment.strategy"] = "cooperative-sticky"
            found["session.timeout.ms"] = _ms(self._options.session_timeout_s)
            # A rebalance is noticed at a heartbeat.
            found["heartbeat.interval.ms"] = min(500, _ms(self._options.session_timeout_s) // 3)
        return self._with_overrides(found)

    def _base(self) -> Properties:
        options = self._options
        found: Properties = {
            "bootstrap.servers": options.bootstrap,
            "client.id": self._client_id,
            "socket.timeout.ms": _ms(max(options.request_timeout_s, 1.0)),
            "socket.connection.setup.timeout.ms": _ms(max(options.connect_timeout_s, 1.0)),
            "socket.keepalive.enable": True,
            "socket.nagle.disable": True,
            "reconnect.backoff.ms": 100,
            "reconnect.backoff.max.ms": 2000,
            # With the default, every lost connection to the last broker drops that broker, and the
            # library goes on to ask the dropped one for groups (librdkafka #5511): for ever.
            "metadata.recovery.strategy": "none",
            "security.protocol": self._security(),
            # By when partitions that were added are used.
            "topic.metadata.refresh.interval.ms": 30_000,
            # By when a deleted topic is told as such; its default is half a minute.
            "topic.metadata.propagation.max.ms": 5000,
            # A lost connection is told as an event; the library would log every try to restore it.
            "logger": _LOG,
            "log_level": _CRITICAL,
        }
        return found | self._tls() | self._sasl()

    def _security(self) -> str:
        prefix = "SASL_" if self._options.username is not None else ""
        return prefix + ("SSL" if self._options.uses_tls else "PLAINTEXT")

    def _tls(self) -> Properties:
        options = self._options
        if not options.uses_tls:
            return {}
        found: Properties = {
            "enable.ssl.certificate.verification": True,
            "ssl.endpoint.identification.algorithm": "https",
            "ssl.ca.location": options.tls_ca_file,
            "ssl.certificate.location": options.tls_cert_file,
            "ssl.key.location": options.tls_key_file,
            "ssl.key.password": options.secret("tls_key_password"),
        }
        return {name: value for name, value in found.items() if value is not None}

    def _sasl(self) -> Properties:
        options = self._options
        if options.username is None:
            return {}
        return {
            "sasl.mechanism": options.sasl_mechanism,
            "sasl.username": options.username,
            "sasl.password": options.secret("password") or "",
        }

    def _with_overrides(self, found: Properties) -> Properties:
        return {**found, **self._options.client}


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
