"""Bring one server up, take it down, and what lies between."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services import ports as free_ports
from services import state
from services.errors import ServiceError
from services.install import installing, tail
from services.locks import exclusive
from services.process import Process, is_alive, kill_tree, spawn, stop, wait_gone
from services.server import Server
from services.state import Record

__all__ = ["bring_up", "is_running", "locked", "revive", "take_down", "wipe"]

_LOCK_WAIT_S = 1200.0
"""The slowest holder is an `up` that downloads everything first."""
_PROBE_EVERY_S = 0.05


@contextmanager
def locked(server: Server, *, wait_s: float = _LOCK_WAIT_S) -> Iterator[None]:
    """Hold the server for this command alone."""
    server.settings.make_root()
    with exclusive(server.settings.root / f"{server.name}.lock", wait_s=wait_s):
        yield


def bring_up(server: Server, *, tell: Callable[[str], None]) -> Record:
    """Return a healthy server: the one that runs already, or else a new one. Takes no lock.

    `tell` is given a few words on each step that takes long.

    Raises:
        ServiceError: it cannot be installed or does not get healthy in time.
    """
    known = state.load(server.home)
    if known is not None and _is_whole(server, known) and server.is_healthy(known.ports):
        return known
    if not server.is_installed():
        _install(server, tell)
    tell("starting")
    if known is not None:
        _end(server, known, grace_s=server.stop_grace_s)
    return _start(server, _without_taken_ports(server, known))


def _install(server: Server, tell: Callable[[str], None]) -> None:
    tell("waiting to be installed")
    try:
        with installing(server.settings.root):
            if not server.is_installed():  # somebody else may have, meanwhile
                server.install(tell)
    except ServiceError as error:
        other = f"(or name a server of yours in ANYMQ_TEST_{server.role.upper()}_URL)"
        raise ServiceError(f"{error.summary} {other}", details=error.details) from error


def revive(server: Server) -> Record:
    """Stop the server if it runs, start it on the same ports and data. Takes no lock.

    Raises:
        ServiceError: there is nothing to restart, or it does not get healthy in time.
    """
    known = _known(server)
    _end(server, known, grace_s=server.stop_grace_s)
    return _start(server, known)


def wipe(server: Server) -> Record:
    """Kill the server, lose all its data, start it empty on the same ports. Takes no lock."""
    known = _known(server)
    _crash(known)
    shutil.rmtree(server.data, ignore_errors=True)
    return _start(server, known)


def take_down(server: Server, *, forget: bool = False) -> bool:
    """Stop the server and all beside it; True if something ran. Takes no lock; idempotent.

    With `forget`, its folder goes too: data, log and ports.
    """
    record = state.load(server.home)
    ran = False
    if record is not None:
        ran = any(map(is_alive, record.processes.values()))
        _end_proxy(record)
        _end(server, record, grace_s=server.stop_grace_s)
        state.save(server.home, record)
    if forget:
        shutil.rmtree(server.data, ignore_errors=True)  # may lie outside its folder
        shutil.rmtree(server.home, ignore_errors=True)
    return ran


def is_running(record: Record) -> bool:
    """Tell whether the server and all that it needs beside it are alive."""
    return "server" in record.processes and all(map(is_alive, record.processes.values()))


def _is_whole(server: Server, record: Record) -> bool:
    """Tell whether it runs, with every port: an older version of this program knew fewer."""
    return is_running(record) and record.ports.keys() >= set(server.port_names)


def _known(server: Server) -> Record:
    record = state.load(server.home)
    if record is None:
        raise ServiceError(f"{server.name} was never started: run `up {server.name}` first")
    return record


def _without_taken_ports(server: Server, known: Record | None) -> Record:
    """Return a record whose known ports are free: none is known where others took them."""
    record = known or Record(server.name, "", "", {})
    proxied = {"proxy"} if record.proxy is not None and is_alive(record.proxy) else set()
    if not free_ports.are_free({k: v for k, v in record.ports.items() if k not in proxied}):
        _end_proxy(record)
        record.ports.clear()
    return record


def _start(server: Server, known: Record) -> Record:
    """Start a server that does not run, on the ports and, if any, the data that are known."""
    ports = known.ports
    missing = [name for name in server.port_names if name not in ports]
    ports.update(free_ports.choose(missing))  # all, or those that an older version did not need
    server.prepare(ports)
    if server.log.exists():
        os.replace(server.log, server.log.with_suffix(".log.1"))
    record = Record(server.name, server.version(), server.url(ports["main"]), ports)
    record.proxy = known.proxy
    is_up = False
    try:
        for role, command in (*server.helpers(ports).items(), ("server", server.command(ports))):
            process = spawn(command.argv, environ=command.environ, log=server.log)
            record.processes[role] = process
            state.save(server.home, record)  # at once: whatever happens, `down` can find it
        _wait_healthy(server, record.processes["server"], ports)
        server.grant(ports)
        is_up = True
    finally:
        if not is_up:
            _crash(record)
    return record


def _wait_healthy(server: Server, process: Process, ports: dict[str, int]) -> None:
    deadline = time.monotonic() + server.start_limit_s
    while not server.is_healthy(ports):
        if wait_gone(process, wait_s=_PROBE_EVERY_S):
            raise _failure(server, "ended while starting")
        if time.monotonic() >= deadline:
            raise _failure(server, f"was not healthy within {server.start_limit_s:.0f} s")


def _failure(server: Server, what: str) -> ServiceError:
    text = server.log.read_text(encoding="utf-8", errors="replace") if server.log.exists() else ""
    return ServiceError(f"{server.name} {what}: see {server.log}", details=tail(text))


def _end(server: Server, record: Record, *, grace_s: float) -> None:
    """Stop the server and what it needs beside it, the last started first."""
    for process in reversed(list(record.processes.values())):
        stop(process, first=server.stop_signal, grace_s=grace_s)
    record.processes.clear()


def _crash(record: Record) -> None:
    for process in reversed(list(record.processes.values())):
        kill_tree(process)
    record.processes.clear()


def _end_proxy(record: Record) -> None:
    if record.proxy is not None:
        kill_tree(record.proxy)
        record.proxy = None
