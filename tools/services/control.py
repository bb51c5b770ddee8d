"""Break one server of ours, and mend it: what the tests call while they run."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable

from services import proxy, state
from services.errors import ServiceError, UsageError
from services.lifecycle import locked, revive, wipe
from services.process import (
    Process,
    is_alive,
    is_paused,
    kill_tree,
    members,
    signal_tree,
    wait_gone,
)
from services.proxy_process import order
from services.server import USER, Server
from services.state import Record

__all__ = ["VERBS", "control"]

_LOCK_WAIT_S = 180.0
_PAUSE_LIMIT_S = 5.0
_STATE_EVERY_S = 0.01

VERBS = {
    "kill": "end the server by SIGKILL, as a crash would",
    "pause": "freeze the server (SIGSTOP); its connections stay open",
    "resume": "let a frozen server go on (SIGCONT)",
    "restart": "stop the server if it runs, start it on the same port and data, wait until healthy",
    "wipe": "kill the server, lose all its data, start it empty on the same port",
    "revoke": f"let user {USER} no longer in, and end what it has open",
    "grant": f"let user {USER} in again; a restart does so, too",
}
"""What can be done to the server itself; `services.proxy.VERBS` is for connections."""


def control(server: Server, verb: str, value: float | None = None) -> None:
    """Do what a verb says; when this returns, it is done.

    Raises:
        UsageError: there is no such verb.
        ServiceError: the server is not ours, not running, or does not do as it should.
    """
    if verb in proxy.VERBS:
        counts = order(_record(server).ports["proxy"], verb, value)
        if verb == "stats":
            print(json.dumps(counts))
        return
    actions: dict[str, Callable[[Server], object]] = {
        "kill": _kill,
        "pause": _pause,
        "resume": _resume,
        "restart": revive,
        "wipe": wipe,
        "revoke": lambda server: server.revoke(_ports(server)),
        "grant": lambda server: server.grant(_ports(server)),
    }
    if verb not in actions:
        raise UsageError(f"unknown verb {verb!r}: choose from {', '.join([*VERBS, *proxy.VERBS])}")
    with locked(server, wait_s=_LOCK_WAIT_S):
        actions[verb](server)


def _kill(server: Server) -> None:
    if (process := _record(server).processes.get("server")) is not None:
        kill_tree(process)


def _pause(server: Server) -> None:
    process = _running(server)
    deadline = time.monotonic() + _PAUSE_LIMIT_S
    for target in signal_tree(process, signal.SIGSTOP):
        while is_alive(target) and not is_paused(target):
            if wait_gone(target, wait_s=_STATE_EVERY_S) or time.monotonic() >= deadline:
                raise ServiceError(f"{server.name} did not freeze")


def _resume(server: Server) -> None:
    signal_tree(_running(server), signal.SIGCONT)


def _ports(server: Server) -> dict[str, int]:
    _running(server)
    return _record(server).ports


def _running(server: Server) -> Process:
    process = _record(server).processes.get("server")
    if process is None or not members(process):
        raise ServiceError(f"{server.name} does not run")
    return process


def _record(server: Server) -> Record:
    record = state.load(server.home)
    if record is None:
        raise ServiceError(f"{server.name} is not ours: run `up {server.name}` first")
    return record
