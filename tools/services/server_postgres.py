"""PostgreSQL from Debian's package: a cluster of its own, run as user postgres."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from services import probe
from services.errors import ServiceError
from services.install import install_packages, run_quietly, tail
from services.server import PASSWORD, USER, Command, Server
from services.tls import has_openssl, missing_packages

__all__ = ["PostgresServer"]

_USER = "postgres"
_PACKAGES = Path("/usr/lib/postgresql")

_CONFIGURATION = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 100
shared_buffers = 32MB
ssl = on
ssl_cert_file = 'server.pem'
ssl_key_file = 'server.key'
ssl_ca_file = 'ca.pem'
"""

_GRANT = f"""\
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{USER}') THEN CREATE ROLE {USER}; END IF;
END $$;
ALTER ROLE {USER} LOGIN PASSWORD '{PASSWORD}';
GRANT ALL ON SCHEMA public TO {USER};
"""
_REVOKE = f"""\
ALTER ROLE {USER} NOLOGIN;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{USER}';
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
        return has_openssl() and self._programs() is not None

    def install(self, tell: Callable[[str], None]) -> None:
        install_packages([*missing_packages(), "postgresql"], tell)

    def version(self) -> str:
        said = run_quietly([self._program("postgres"), "--version"], limit_s=10).stdout.split()
        return said[2] if len(said) > 2 else "unknown"

    def prepare(self, ports: Mapping[str, int]) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        if not (self.data / "PG_VERSION").exists():
            self._create()
        self._place_certificates()
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

    def revoke(self, ports: Mapping[str, int]) -> None:
        self._order(ports, _REVOKE)

    def grant(self, ports: Mapping[str, int]) -> None:
        self._order(ports, _GRANT)

    def extra_environ(self, ports: Mapping[str, int]) -> dict[str, str]:
        port, secured = (
            ports["main"],
            f"sslmode=verify-full&sslrootcert={self.certificates.authority}",
        )
        mine = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/anymq"
        return {
            "ANYMQ_TEST_POSTGRES_TLS_URL": f"{self.url(port)}?{secured}",
            **self.certificates.variables("ANYMQ_TEST_POSTGRES_TLS"),
            "ANYMQ_TEST_POSTGRES_AUTH_URL": mine,
            "ANYMQ_TEST_POSTGRES_TLS_AUTH_URL": f"{mine}?{secured}",
        }

    def _order(self, ports: Mapping[str, int], sql: str) -> None:
        argv = [self._program("psql"), self.url(ports["main"]), "--no-psqlrc", "--quiet"]
        done = run_quietly([*argv, "--set=ON_ERROR_STOP=1", f"--command={sql}"], limit_s=30)
        if done.returncode != 0:
            raise ServiceError("PostgreSQL refuses to change its users", details=tail(done.stdout))

    def _place_certificates(self) -> None:
        """Copy them to where the server's own user can read them, and nobody else."""
        self.certificates.make()
        names = self.certificates
        for source in (names.server, names.server_key, names.authority):
            target = self.data / source.name
            shutil.copy(source, target)
            if os.geteuid() == 0:
                shutil.chown(target, _USER, _USER)

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
