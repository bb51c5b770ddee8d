"""RabbitMQ from Debian's package: a node of its own, beside any other on the machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from services import probe, rabbitmq_users
from services.errors import ServiceError
from services.install import install_packages
from services.server import PASSWORD, USER, Command, Server
from services.tls import has_openssl, missing_packages

__all__ = ["RabbitServer"]

# Debian's wrappers in /usr/sbin switch to a user that may not see our folder: not those.
_SCRIPTS = Path("/usr/lib/rabbitmq/bin")

_VIRTUAL_HOST = "private"
"""The one that the user who can be revoked may enter, and guest may not."""

_CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{main}
listeners.ssl.1 = 127.0.0.1:{tls}
ssl_options.cacertfile = {certificates.authority}
ssl_options.certfile = {certificates.server}
ssl_options.keyfile = {certificates.server_key}
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
disk_free_limit.absolute = 50MB
# 512 MB by default, kept in memory until it rolls over.
raft.wal_max_size_bytes = 67108864
"""

# A bare machine may have no /etc/hosts, and then no name server knows localhost.
_NAMES = """\
{host, {127,0,0,1}, ["localhost"]}.
{lookup, [file, native]}.
"""

# Two schedulers that sleep when idle: many things share a small test machine.
_ERLANG_FLAGS = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"


class RabbitServer(Server):
    """One RabbitMQ node with the management plugin, and the port mapper it needs."""

    name = "rabbitmq"
    port_names = ("main", "proxy", "management", "distribution", "epmd", "tls")
    start_limit_s = 120.0
    stop_grace_s = 30.0

    def is_installed(self) -> bool:
        return has_openssl() and (_SCRIPTS / "rabbitmq-server").exists()

    def install(self, tell: Callable[[str], None]) -> None:
        install_packages([*missing_packages(), "rabbitmq-server"], tell)

    def version(self) -> str:
        target = (_SCRIPTS / "rabbitmq-server").resolve()
        return target.parent.parent.name.rpartition("-")[2]

    def prepare(self, ports: Mapping[str, int]) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        self.certificates.make()
        files = {
            "rabbitmq.conf": _CONFIGURATION.format(**ports, certificates=self.certificates),
            "advanced.config": "[].\n",
            "enabled_plugins": "[rabbitmq_management].\n",
            "rabbitmq-env.conf": "",
            "inetrc": _NAMES,
        }
        for name, text in files.items():
            (self.home / name).write_text(text, encoding="utf-8")

    def environ(self, ports: Mapping[str, int]) -> dict[str, str]:
        """Return the environment that the node and its command line tools must share."""
        home = str(self.home)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("RABBITMQ_", "ERL_"))}
        return kept | {
            "HOME": home,  # where Erlang keeps the secret that lets the tools in
            "ERL_EPMD_PORT": str(ports["epmd"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_INETRC": f"{home}/inetrc",
            "ERL_CRASH_DUMP": f"{home}/erl_crash.dump",
            "RABBITMQ_CONF_ENV_FILE": f"{home}/rabbitmq-env.conf",
            "RABBITMQ_NODENAME": "anymq@localhost",  # the port mapper is ours alone
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(ports["main"]),
            "RABBITMQ_DIST_PORT": str(ports["distribution"]),
            "RABBITMQ_MNESIA_BASE": str(self.data),
            "RABBITMQ_LOG_BASE": f"{home}/logs",
            "RABBITMQ_PID_FILE": f"{home}/node.pid",
            "RUNNING_UNDER_SYSTEMD": "true",  # no shell in between: the pid is the node's
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{home}/enabled_plugins",
            "RABBITMQ_CONFIG_FILE": f"{home}/rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{home}/advanced.config",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                f"{_ERLANG_FLAGS} -kernel inet_dist_use_interface {{127,0,0,1}}"
            ),
        }

    def command(self, ports: Mapping[str, int]) -> Command:
        return Command((str(_SCRIPTS / "rabbitmq-server"),), self.environ(ports))

    def helpers(self, ports: Mapping[str, int]) -> dict[str, Command]:
        # Started by us, not by the node as a daemon: so we know its pid and can end it.
        return {"epmd": Command(("epmd", "-port", str(ports["epmd"])), self.environ(ports))}

    def tool(self, name: str, ports: Mapping[str, int]) -> Command:
        """Return one of RabbitMQ's command line tools, set up for this node."""
        path = _SCRIPTS / name
        if not path.exists():
            raise ServiceError(f"RabbitMQ has no tool {name}")
        return Command((str(path),), self.environ(ports))

    def url(self, port: int) -> str:
        return f"amqp://guest:guest@127.0.0.1:{port}/"

    def is_healthy(self, ports: Mapping[str, int]) -> bool:
        return probe.amqp(ports["main"]) and probe.management(ports["management"])

    def revoke(self, ports: Mapping[str, int]) -> None:
        rabbitmq_users.revoke(ports["management"], USER)

    def grant(self, ports: Mapping[str, int]) -> None:
        rabbitmq_users.grant(ports["management"], USER, password=PASSWORD, host=_VIRTUAL_HOST)

    def extra_environ(self, ports: Mapping[str, int]) -> dict[str, str]:
        login = f"{USER}:{PASSWORD}@127.0.0.1"
        management = f"http://guest:guest@127.0.0.1:{ports['management']}"
        return {
            "ANYMQ_TEST_RABBITMQ_MANAGEMENT_URL": management,
            "ANYMQ_TEST_RABBITMQ_TLS_URL": f"amqps://guest:guest@127.0.0.1:{ports['tls']}/",
            **self.certificates.variables("ANYMQ_TEST_RABBITMQ_TLS"),
            "ANYMQ_TEST_RABBITMQ_AUTH_URL": f"amqp://{login}:{ports['main']}/{_VIRTUAL_HOST}",
            "ANYMQ_TEST_RABBITMQ_TLS_AUTH_URL": f"amqps://{login}:{ports['tls']}/{_VIRTUAL_HOST}",
        }
