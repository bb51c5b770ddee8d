"""Two commands at once, and the ports they take."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from services import ports
from services.errors import ServiceError
from services.locks import exclusive

__all__: list[str] = []


def test_second_holder_is_refused_after_its_limit(tmp_path: Path) -> None:
    """The error names the lock."""
    lock = tmp_path / "deep" / "redis.lock"

    with (
        exclusive(lock, wait_s=1),
        pytest.raises(ServiceError, match=r"redis\.lock"),
        exclusive(lock, wait_s=0.05),
    ):
        pass


def test_second_holder_gets_the_lock_when_the_first_lets_go(tmp_path: Path) -> None:
    """Waiting is enough, in another thread as in another process."""
    lock = tmp_path / "redis.lock"
    order: list[str] = []
    is_waiting = threading.Event()

    def second() -> None:
        is_waiting.set()
        with exclusive(lock, wait_s=10):
            order.append("second")

    thread = threading.Thread(target=second)
    with exclusive(lock, wait_s=1):
        thread.start()
        assert is_waiting.wait(10)
        order.append("first")
    thread.join(10)

    assert order == ["first", "second"]


def test_chosen_ports_differ_and_are_not_for_outgoing_connections() -> None:
    """No client of somebody else can take the port while its server is down."""
    chosen = ports.choose(["main", "proxy", "epmd"])

    assert list(chosen) == ["main", "proxy", "epmd"]
    assert len(set(chosen.values())) == 3
    assert all(20_000 <= port < 32_000 for port in chosen.values())
    assert ports.are_free(chosen)


def test_port_in_use_is_not_free() -> None:
    """Somebody listens: another port must be taken."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not ports.are_free({"main": listener.getsockname()[1]})
