"""Apache Kafka: one node that is broker and controller (KRaft), from its Maven artifacts."""

from __future__ import annotations

import base64
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from services import probe
from services.errors import ServiceError
from services.install import install_packages, run_quietly, tail
from services.java import ensure_java, find_java
from services.kafka_configuration import logging, properties
from services.kafka_home import download, jars
from services.kafka_users import delete_user, set_password
from services.server import PASSWORD, USER, Command, Server
from services.tls import has_openssl, missing_packages

__all__ = ["KafkaServer"]

# Only the quick compiler: the broker starts in half the time, and a test run is short.
_JVM_FLAGS = ("-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


class KafkaServer(Server):
    """One Kafka node."""

    name = "kafka"
    port_names = ("main", "proxy", "behind", "controller", "tls", "sasl", "sasl_tls")
    upstream_port = "behind"
    start_limit_s = 120.0
    stop_grace_s = 30.0

    def is_installed(self) -> bool:
        return has_openssl() and find_java() is not None and jars(self.settings) is not None

    def install(self, tell: Callable[[str], None]) -> None:
        if missing := missing_packages():
            install_packages(missing, tell)
        ensure_java(tell)
        if jars(self.settings) is None:
            download(self.settings, tell)

    def version(self) -> str:
        return self._jars().name.partition("-")[2]

    def prepare(self, ports: Mapping[str, int]) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.certificates.make()
        text = properties(ports, data=self.data, certificates=self.certificates)
        (self.home / "server.properties").write_text(text, encoding="utf-8")
        server, tools = self._logging("server"), self._logging("tools")
        server.write_text(logging(level="info", target="SYSTEM_OUT"), encoding="utf-8")
        tools.write_text(logging(level="warn", target="SYSTEM_ERR"), encoding="utf-8")
        if not self.data.exists():
            self._format()

    def command(self, ports: Mapping[str, int]) -> Command:
        argv = self._java("server", *_JVM_FLAGS)
        return Command((*argv, "kafka.Kafka", str(self.home / "server.properties")), os.environ)

    def tool(self, main_class: str, ports: Mapping[str, int]) -> Command:
        """Return one of Kafka's command line tools by the class that holds it."""
        flags = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
        return Command((*self._java("tools", *flags), main_class), os.environ)

    def url(self, port: int) -> str:
        return f"kafka://127.0.0.1:{port}"

    def is_healthy(self, ports: Mapping[str, int]) -> bool:
        return probe.kafka(ports["main"])

    def revoke(self, ports: Mapping[str, int]) -> None:
        delete_user(ports["main"], USER)  # who is in is thrown out when its login runs out

    def grant(self, ports: Mapping[str, int]) -> None:
        set_password(ports["main"], USER, PASSWORD)

    def extra_environ(self, ports: Mapping[str, int]) -> dict[str, str]:
        login = f"{USER}:{PASSWORD}@127.0.0.1"
        return {
            "ANYMQ_TEST_KAFKA_TLS_URL": f"kafkas://127.0.0.1:{ports['tls']}",
            **self.certificates.variables("ANYMQ_TEST_KAFKA_TLS"),
            "ANYMQ_TEST_KAFKA_AUTH_URL": f"kafka://{login}:{ports['sasl']}",
            "ANYMQ_TEST_KAFKA_TLS_AUTH_URL": f"kafkas://{login}:{ports['sasl_tls']}",
        }

    def _format(self) -> None:
        """Lay out the data of an empty node; done once, later from a copy (it takes seconds)."""
        pristine = self.home / "pristine"
        if not pristine.exists():
            cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode("ascii")
            draft = self._properties_for(pristine)
            tool = self.tool("kafka.tools.StorageTool", {})
            argv = [*tool.argv, "format", "-t", f"A{cluster[1:]}", "-c", str(draft)]
            done = run_quietly(argv, limit_s=60)
            if done.returncode != 0:
                shutil.rmtree(pristine, ignore_errors=True)
                raise ServiceError("Kafka's storage cannot be formatted", details=tail(done.stdout))
        shutil.copytree(pristine, self.data)

    def _properties_for(self, folder: Path) -> Path:
        text = (self.home / "server.properties").read_text(encoding="utf-8")
        draft = self.home / "format.properties"
        draft.write_text(text.replace(f"log.dirs={self.data}", f"log.dirs={folder}"), "utf-8")
        return draft

    def _logging(self, use: str) -> Path:
        return self.home / f"log4j2-{use}.properties"

    def _jars(self) -> Path:
        folder = jars(self.settings)
        if folder is None:
            raise ServiceError("Kafka is not in the cache: run `up kafka` first")
        return folder

    def _java_path(self) -> str:
        if (java := find_java()) is None:
            raise ServiceError("Kafka needs Java 17 or newer: run `up kafka` first")
        return java

    def _java(self, logging: str, *flags: str) -> tuple[str, ...]:
        configuration = f"-Dlog4j2.configurationFile={self._logging(logging)}"
        return (self._java_path(), *flags, configuration, "-cp", f"{self._jars()}/*")
