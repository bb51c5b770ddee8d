"""The files of one Kafka node: the broker's settings and the loggers'."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from services.server import PASSWORD, USER
from services.tls import Certificates

__all__ = ["logging", "properties"]

_LISTENERS = {
    "PLAINTEXT": ("main", "PLAINTEXT"),
    "TLS": ("tls", "SSL"),
    "SASL": ("sasl", "SASL_PLAINTEXT"),
    "SASLTLS": ("sasl_tls", "SASL_SSL"),
}
"""The doors to the broker: the port's name and the protocol behind each."""

# PROXIED is one more door: whoever comes in by it is sent to the proxy's port.
_CONFIGURATION = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners={listeners},PROXIED://127.0.0.1:{behind},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={listeners},PROXIED://127.0.0.1:{proxy}
listener.security.protocol.map={protocols},PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
# Who comes without a name may do all; others may too, until a test adds rules (ACLs).
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=true
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
{logins}
# A client logs in anew this often, so a user who is revoked is out by then.
connections.max.reauth.ms=3000
ssl.keystore.type=PEM
ssl.keystore.location={certificate}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
listener.name.tls.ssl.client.auth=requested
num.partitions=1
auto.create.topics.enable=false
# A single node: every internal topic has one copy.
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
# Tests do not wait for members that may yet come.
group.initial.rebalance.delay.ms=0
# A killed broker may come back only when its old session has run out: by default after 9 s.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# Small: one topic costs little memory and disk.
log.index.size.max.bytes=2097152
log.cleaner.dedupe.buffer.size=8388608
num.network.threads=2
num.io.threads=4
background.threads=2
num.recovery.threads.per.data.dir=1
"""


_LOGIN = """\
listener.name.{door}.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
listener.name.{door}.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;\
"""

_LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{{ISO8601}} %-5p %c{{1}} %m%n
appender.console.target = {target}
rootLogger.level = {level}
rootLogger.appenderRef.console.ref = console
"""


def properties(ports: Mapping[str, int], *, data: Path, certificates: Certificates) -> str:
    """Return the text of server.properties for a node that keeps its records in `data`."""
    doors = {door: ports[port] for door, (port, _) in _LISTENERS.items()}
    secured = [door for door, (_, protocol) in _LISTENERS.items() if "SASL" in protocol]
    logins = [
        _LOGIN.format(door=door.lower(), user=USER, password=PASSWORD).rstrip() for door in secured
    ]
    return _CONFIGURATION.format(
        listeners=",".join(f"{door}://127.0.0.1:{port}" for door, port in doors.items()),
        protocols=",".join(f"{door}:{protocol}" for door, (_, protocol) in _LISTENERS.items()),
        logins="\n".join(logins),
        certificate=certificates.server_both,
        authority=certificates.authority,
        data=data,
        **ports,
    )


def logging(*, level: str, target: str) -> str:
    """Return the text of a Log4j configuration that writes to one stream."""
    return _LOGGING.format(level=level, target=target)
