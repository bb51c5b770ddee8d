"""The commands `up`, `down`, `status` and `env`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from services import probe, state
from services.errors import ServiceError
from services.lifecycle import bring_up, is_running, take_down
from services.process import is_alive
from services.report import Console, Line, environment, table, to_json
from services.server import Server

__all__ = ["down", "env", "status", "up"]


def up(servers: Sequence[Server], *, console: Console) -> bool:
    """Bring all up at once; True if every one is there in the end."""

    def one(server: Server) -> bool:
        try:
            if _external(server) is not None:
                console.step(server.name, "is provided by the environment")
                return True
            record = bring_up(server, tell=lambda what: console.step(server.name, what))
            console.step(server.name, f"healthy at {record.url}")
        except ServiceError as error:
            console.error(server.name, error)
            return False
        return True

    with ThreadPoolExecutor(max_workers=max(1, len(servers))) as pool:
        return all(list(pool.map(one, servers)))


def down(servers: Sequence[Server], *, console: Console, forget: bool) -> bool:
    """Stop those that are ours; True if none is left running."""

    def one(server: Server) -> bool:
        try:
            ran = take_down(server, forget=forget)
            console.step(server.name, "stopped" if ran else "was not running")
        except ServiceError as error:
            console.error(server.name, error)
            return False
        return True

    with ThreadPoolExecutor(max_workers=max(1, len(servers))) as pool:
        return all(list(pool.map(one, servers)))


def status(servers: Sequence[Server], *, as_json: bool) -> None:
    """Print one line per server."""
    lines = [_line(server) for server in servers]
    print(to_json(lines) if as_json else table(lines, stream=sys.stdout))


def env(servers: Sequence[Server]) -> None:
    """Print shell lines that tell the tests where the running servers are."""
    for server in servers:
        for key, value in _variables(server).items():
            print(f"export {key}={shlex.quote(value)}")


def _variables(server: Server) -> dict[str, str]:
    if (url := _external(server)) is not None:
        given = {
            k: server.settings.environ.get(k) for k in [f"ANYMQ_TEST_{server.name.upper()}_CONTROL"]
        }
        return {f"ANYMQ_TEST_{server.name.upper()}_URL": url} | {
            k: v for k, v in given.items() if v
        }
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
    if record is None or not any(map(is_alive, record.processes.values())):
        return Line(server.name, "stopped", version=record.version if record else "")
    healthy = is_running(record) and server.is_healthy(record.ports)
    pid = record.processes["server"].pid if "server" in record.processes else None
    word = "running" if healthy else "unhealthy"
    return Line(server.name, word, record.version, record.url, pid, str(server.log))
