"""PostgreSQL from Debian's package: a cluster of its own, run as user postgres."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

from services import probe
from services.errors import ServiceError
from services.install import install_packages, run_quietly, tail
from services.server import Command, Server

__all__ = ["PostgresServer"]

_USER = "postgres"
_PACKAGES = Path("/usr/lib/postgresql")

_CONFIGURATION = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 100
shared_buffers = 32MB
"""

_INITDB = (
    "--username=anymq",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--no-sync",
)


class PostgresServer(Server):
    """One PostgreSQL cluster with role, password and database `anymq`."""

    name = "postgres"
    start_limit_s = 60.0
    stop_signal = signal.SIGINT  # "fast": does not wait for clients to leave

    @property
    def data(self) -> Path:
        """In our folder, or where its user can reach it when the folder is closed to others."""
        inside = self.home / "data"
        if os.geteuid() != 0 or all(p.stat().st_mode & 0o001 for p in self._existing_parents()):
            return inside
        return Path("/var/lib/postgresql") / f"anymq-{str(self.home).strip('/').replace('/', '-')}"

    def is_installed(self) -> bool:
        return self._programs() is not None

    def install(self) -> None:
        install_packages(["postgresql"])

    def version(self) -> str:
        said = run_quietly([self._program("postgres"), "--version"], limit_s=10).stdout.split()
        return said[2] if len(said) > 2 else "unknown"

    def prepare(self, ports: Mapping[str, int]) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        if not (self.data / "PG_VERSION").exists():
            self._create()
        # Left by a kill. It blocks the start while the dead server waits for its parent to notice.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        override = self.data / "postgresql.auto.conf"
        override.write_text(_CONFIGURATION.format(port=ports["main"]), encoding="utf-8")

    def command(self, ports: Mapping[str, int]) -> Command:
        return Command(self._as_user("postgres", "-D", str(self.data)), os.environ)

    def url(self, port: int) -> str:
        return f"postgresql://anymq:anymq@127.0.0.1:{port}/anymq"

    def is_healthy(self, ports: Mapping[str, int]) -> bool:
        return probe.postgres(ports["main"])

    def _create(self) -> None:
        """Lay out an empty cluster; a folder that was left half done is thrown away."""
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True, mode=0o700)
        password = self.data.with_name(f"{self.data.name}.password")
        password.write_text("anymq\n", encoding="utf-8")
        if os.geteuid() == 0:
            shutil.chown(self.data, _USER)
            shutil.chown(password, _USER)
        try:
            self._run("initdb", *_INITDB, f"--pgdata={self.data}", f"--pwfile={password}")
            single = ("postgres", "--single", "-D", str(self.data), "postgres")
            self._run(*single, text="CREATE DATABASE anymq\n")
        except ServiceError:
            shutil.rmtree(self.data, ignore_errors=True)
            raise
        finally:
            password.unlink(missing_ok=True)

    def _run(self, program: str, *arguments: str, text: str = "") -> None:
        done = run_quietly(self._as_user(program, *arguments), limit_s=60, text=text)
        if done.returncode != 0:
            raise ServiceError(f"PostgreSQL's {program} failed", details=tail(done.stdout))

    def _as_user(self, program: str, *arguments: str) -> tuple[str, ...]:
        argv = (self._program(program), *arguments)
        if os.geteuid() != 0:
            return argv
        group = str(pwd.getpwnam(_USER).pw_gid)
        return ("setpriv", f"--reuid={_USER}", f"--regid={group}", "--clear-groups", *argv)

    def _program(self, name: str) -> str:
        folder = self._programs()
        if folder is None:
            raise ServiceError("PostgreSQL is not installed: run `up postgres` first")
        return str(folder / name)

    def _programs(self) -> Path | None:
        """Return the newest version's folder of programs."""
        found = [p.parent for p in _PACKAGES.glob("*/bin/initdb")]
        return max(found, key=lambda p: float(p.parent.name), default=None)

    def _existing_parents(self) -> list[Path]:
        return [p for p in (self.home, *self.home.parents) if p.exists()]
