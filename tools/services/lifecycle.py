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
from services.process import Process, is_alive, spawn, stop, wait_gone
from services.server import Server
from services.state import Record

__all__ = ["bring_up", "is_running", "locked", "revive", "take_down", "wipe"]

_LOCK_WAIT_S = 1200.0
"""The slowest holder is an `up` that downloads everything first."""
_PROBE_EVERY_S = 0.1


@contextmanager
def locked(server: Server) -> Iterator[None]:
    """Hold the server for this command alone."""
    server.settings.make_root()
    with exclusive(server.settings.root / f"{server.name}.lock", wait_s=_LOCK_WAIT_S):
        yield


def bring_up(server: Server, *, tell: Callable[[str], None]) -> Record:
    """Return a healthy server: the one that runs already, or else a new one. Takes the lock.

    `tell` is given a few words on each step that takes long.

    Raises:
        ServiceError: it cannot be installed or does not get healthy in time.
    """
    with locked(server):
        record = state.load(server.home)
        if record is not None and is_running(record) and server.is_healthy(record.ports):
            return record
        if not server.is_installed():
            tell("installing")
            with installing(server.settings.root):
                if not server.is_installed():  # somebody else may have, meanwhile
                    server.install()
        tell("starting")
        return _start(server, record)


def revive(server: Server) -> Record:
    """Stop the server if it runs, start it on the same ports and data; holds no lock itself.

    Raises:
        ServiceError: there is nothing to restart, or it does not get healthy in time.
    """
    record = state.load(server.home)
    if record is None:
        raise ServiceError(f"{server.name} was never started: run `up {server.name}` first")
    return _start(server, record)


def wipe(server: Server) -> Record:
    """Kill the server, lose all its data, start it empty on the same ports; takes no lock."""
    record = state.load(server.home)
    if record is None:
        raise ServiceError(f"{server.name} was never started: run `up {server.name}` first")
    _end(server, record, grace_s=0.0)
    shutil.rmtree(server.data)
    return _start(server, record)


def take_down(server: Server, *, forget: bool = False) -> bool:
    """Stop the server and all beside it; True if something ran. Takes the lock; idempotent.

    With `forget`, its folder goes too: data, log and ports.
    """
    with locked(server):
        record = state.load(server.home)
        ran = record is not None and any(map(is_alive, record.processes.values()))
        if record is not None:
            _end(server, record, grace_s=server.stop_grace_s)
            record.processes.clear()
            state.save(server.home, record)
        if forget:
            shutil.rmtree(server.data, ignore_errors=True)  # may lie outside its folder
            shutil.rmtree(server.home, ignore_errors=True)
        return ran


def is_running(record: Record) -> bool:
    """Tell whether the server and all that it needs beside it are alive."""
    processes = record.processes
    return "server" in processes and all(map(is_alive, processes.values()))


def _start(server: Server, known: Record | None) -> Record:
    """Start the server with what is known of it: end what is left, keep ports and data."""
    if known is not None:
        _end(server, known, grace_s=server.stop_grace_s)
    ports = known.ports if known is not None else {}
    if set(ports) != set(server.port_names) or not free_ports.are_free(ports):
        ports = free_ports.choose(server.port_names)
    server.prepare(ports)
    _keep_one_old_log(server)
    record = Record(server.name, server.version(), server.url(ports), ports)
    is_up = False
    try:
        for role, command in (*server.helpers(ports).items(), ("server", server.command(ports))):
            environ = dict(command.environ)
            process = spawn(command.argv, environ=environ, log=server.log)
            record.processes[role] = process
            state.save(server.home, record)  # at once: whatever happens, `down` can find it
        _wait_healthy(server, record.processes["server"], ports)
        is_up = True
    finally:
        if not is_up:
            _end(server, record, grace_s=0.0)
    return record


def _wait_healthy(server: Server, process: Process, ports: dict[str, int]) -> None:
    deadline = time.monotonic() + server.start_limit_s
    while not server.is_healthy(ports):
        if wait_gone(process.pid, wait_s=_PROBE_EVERY_S):
            raise _failure(server, "ended while starting")
        if time.monotonic() >= deadline:
            raise _failure(server, f"was not healthy within {server.start_limit_s:.0f} s")


def _failure(server: Server, what: str) -> ServiceError:
    text = server.log.read_text(encoding="utf-8", errors="replace") if server.log.exists() else ""
    return ServiceError(f"{server.name} {what}: see {server.log}", details=tail(text))


def _end(server: Server, record: Record, *, grace_s: float) -> None:
    """Stop all processes, the last started first."""
    for process in reversed(list(record.processes.values())):
        stop(process, first=server.stop_signal, grace_s=grace_s)


def _keep_one_old_log(server: Server) -> None:
    if server.log.exists():
        os.replace(server.log, server.log.with_suffix(".log.1"))
