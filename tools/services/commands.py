"""The commands `up`, `down`, `status` and `env`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from services import probe, state
from services.environment import environment, external_environment, proxy_url
from services.errors import ServiceError
from services.lifecycle import bring_up, is_running, locked, take_down
from services.process import is_alive, is_paused
from services.proxy_process import launch, order
from services.report import Console, Line, table, to_json
from services.server import Server
from services.state import Record

__all__ = ["down", "env", "status", "up"]


def up(servers: Sequence[Server], *, console: Console, with_proxy: bool) -> bool:
    """Bring all up at once; True if every one is there in the end."""

    def one(server: Server) -> None:
        if _external(server) is not None:
            console.done(server.name, "is provided by the environment")
            return
        if (given := server.settings.external_url(server.name)) is not None:
            record = state.load(server.home)
            if record is None or record.url != given:
                console.step(server.name, "the server of the environment does not answer")
        with locked(server):
            record = bring_up(server, tell=lambda what: console.step(server.name, what))
            if with_proxy:
                _ensure_proxy(server, record)
        console.done(server.name, f"healthy at {record.url}")

    return _each(servers, one, console)


def down(servers: Sequence[Server], *, console: Console, forget: bool) -> bool:
    """Stop those that are ours; True if none is left running."""

    def one(server: Server) -> None:
        record = state.load(server.home)
        if record is not None and is_running(record):
            console.step(server.name, "stopping")
        with locked(server):
            ran = take_down(server, forget=forget)
        console.done(server.name, "stopped" if ran else "was not running")

    return _each(servers, one, console)


def status(servers: Sequence[Server], *, as_json: bool) -> None:
    """Print one line per server."""
    lines = [_line(server) for server in servers]
    print(to_json(lines) if as_json else table(lines, stream=sys.stdout))


def env(servers: Sequence[Server]) -> None:
    """Print shell lines that tell the tests where the running servers are."""
    for server in servers:
        for key, value in _variables(server).items():
            print(f"export {key}={shlex.quote(value)}")


def _each(servers: Sequence[Server], one: Callable[[Server], None], console: Console) -> bool:
    """Do `one` for all servers at once; False if any failed, each failure being told."""

    failures: dict[str, ServiceError] = {}

    def attempt(server: Server) -> None:
        try:
            one(server)
        except ServiceError as error:
            failures[server.name] = error
            console.failed(server.name)

    with console.progress(), ThreadPoolExecutor(max_workers=len(servers)) as pool:
        list(pool.map(attempt, servers))
    for name, error in failures.items():
        console.error(name, error)
    return not failures


def _ensure_proxy(server: Server, record: Record) -> None:
    if record.proxy is not None and is_alive(record.proxy):
        order(record.ports["proxy"], "heal")
        return
    upstream = record.ports[server.upstream_port]
    log = server.home / "proxy.log"
    record.proxy = launch(record.ports["proxy"], upstream, log=log)
    state.save(server.home, record)


def _variables(server: Server) -> dict[str, str]:
    if (url := _external(server)) is not None:
        return external_environment(server, url)
    record = state.load(server.home)
    if record is None or not is_running(record):
        return {}
    return environment(server, record)


def _external(server: Server) -> str | None:
    """Return the URL of a server that somebody else provides and that answers."""
    url = server.settings.external_url(server.name)
    if url is None:
        return None
    record = state.load(server.home)
    if record is not None and record.url == url:
        return None  # our own, named by an earlier `env`
    return url if probe.answers(url) else None


def _line(server: Server) -> Line:
    if (url := _external(server)) is not None:
        return Line(server.name, "external", url=url)
    record = state.load(server.home)
    if record is None or not is_running(record):
        return Line(server.name, "stopped", version=record.version if record else "")
    return Line(
        server.name,
        _state(server, record),
        version=record.version,
        url=record.url,
        proxy_url=proxy_url(server, record) or "",
        pid=record.processes["server"].pid,
        log=str(server.log),
    )


def _state(server: Server, record: Record) -> str:
    if is_paused(record.processes["server"]):
        return "paused"
    return "running" if server.is_healthy(record.ports) else "unhealthy"
