"""A real Redis, brought up, broken in every way, and taken down."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from services import state
from services.process import is_alive, is_paused
from services.state import Record

__all__: list[str] = []

pytestmark = pytest.mark.server("redis")

_PROGRAM = Path(__file__).resolve().parents[3] / "tools" / "services"
_LIMIT_S = 50.0


class Redis:
    """The services command with a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        kept = {k: v for k, v in os.environ.items() if not k.startswith("ANYMQ_")}
        self._environ = {**kept, "ANYMQ_SERVICES_DIR": str(root)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(_PROGRAM), *arguments],
            env=self._environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, *arguments: str) -> str:
        with self.start(*arguments) as process:
            out, _ = process.communicate(timeout=_LIMIT_S)
        assert process.returncode == 0, out
        return out

    @property
    def record(self) -> Record:
        record = state.load(self.root / "redis")
        assert record is not None
        return record

    def ask(self, command: str, *, port: str = "main") -> str:
        """Send one inline command and return the first line of the reply."""
        address = ("127.0.0.1", self.record.ports[port])
        with socket.create_connection(address, timeout=5) as connection:
            connection.sendall(command.encode() + b"\r\n")
            with connection.makefile("rb") as replies:
                return replies.readline().decode().strip()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """A Redis with a proxy, ended with its folder whatever happens."""
    services = Redis(tmp_path / "a folder")
    try:
        services.run("up", "--proxy", "redis")
        yield services
    finally:
        services.run("down", "--forget")


def test_up_twice_is_one_server(redis: Redis) -> None:
    """Two commands at once do not fight: both end well, on the same process."""
    redis.run("control", "redis", "kill")

    with redis.start("up", "redis") as one, redis.start("up", "redis") as other:
        outputs = [process.communicate(timeout=_LIMIT_S)[0] for process in (one, other)]

    assert [one.returncode, other.returncode] == [0, 0], outputs
    assert sum("starting" in out for out in outputs) == 1
    assert redis.ask("PING") == "+PONG"


def test_killed_server_comes_back_with_its_data(redis: Redis) -> None:
    """Same port, and what it acknowledged after a synchronous rewrite is there."""
    redis.ask("CONFIG SET appendfsync always")
    assert redis.ask("SET key value") == "+OK"
    before = redis.record

    redis.run("control", "redis", "kill")
    assert not is_alive(before.processes["server"])
    redis.run("control", "redis", "restart")

    assert redis.record.url == before.url
    assert redis.ask("STRLEN key") == ":5"


def test_paused_server_answers_nothing_until_it_is_resumed(redis: Redis) -> None:
    """Frozen when the command returns; its connections stay."""
    address = ("127.0.0.1", redis.record.ports["main"])
    with socket.create_connection(address, timeout=0.3) as connection:
        redis.run("control", "redis", "pause")
        connection.sendall(b"PING\r\n")
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert is_paused(redis.record.processes["server"])
        (line,) = json.loads(redis.run("status", "redis", "--json"))
        assert line["state"] == "paused"

        redis.run("control", "redis", "resume")
        connection.settimeout(5)
        assert connection.recv(7) == b"+PONG\r\n"


def test_wiped_server_is_up_and_empty(redis: Redis) -> None:
    """All data is lost, the port is not."""
    redis.ask("SET key value")
    before = redis.record

    redis.run("control", "redis", "wipe")

    assert redis.record.url == before.url
    assert redis.ask("DBSIZE") == ":0"


def test_revoked_user_is_out_until_granted(redis: Redis) -> None:
    """What he has open ends, and he cannot come in again."""
    hello = "AUTH app app-secret"
    address = ("127.0.0.1", redis.record.ports["main"])
    with socket.create_connection(address, timeout=5) as open_:
        open_.sendall(hello.encode() + b"\r\n")
        assert open_.recv(5) == b"+OK\r\n"

        redis.run("control", "redis", "revoke")
        assert open_.recv(1) == b""
        assert redis.ask(hello).startswith("-WRONGPASS")

    redis.run("control", "redis", "grant")
    assert redis.ask(hello) == "+OK"


def test_tls_port_shows_a_certificate_of_our_authority(redis: Redis) -> None:
    """Even where the folder's name has a space."""
    folder = redis.root / "redis" / "tls"
    trusting = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    address = ("127.0.0.1", redis.record.ports["tls"])

    with (
        socket.create_connection(address, timeout=5) as plain,
        trusting.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        secured.sendall(b"PING\r\n")
        assert secured.recv(7) == b"+PONG\r\n"


def test_proxy_outlives_the_server(redis: Redis) -> None:
    """It leads to the new server after a restart, and can be cut."""
    redis.run("control", "redis", "restart")
    assert redis.ask("PING", port="proxy") == "+PONG"

    with socket.create_connection(("127.0.0.1", redis.record.ports["proxy"]), timeout=5) as open_:
        open_.sendall(b"PING\r\n")
        assert open_.recv(7) == b"+PONG\r\n"
        redis.run("control", "redis", "cut")
        with pytest.raises(ConnectionResetError):
            open_.recv(1)


def test_down_leaves_no_process(redis: Redis) -> None:
    """Neither the server nor its proxy; a second time there is nothing to do."""
    record = redis.record
    assert record.proxy is not None

    redis.run("down", "redis")

    assert not is_alive(record.processes["server"])
    assert not is_alive(record.proxy)
    assert "was not running" in redis.run("down", "redis")
