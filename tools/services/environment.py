"""The variables by which the tests find the servers."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from services.process import is_alive
from services.server import Server
from services.settings import DEFAULT_ROOT
from services.state import Record

__all__ = ["control_command", "environment", "external_environment", "proxy_url"]


def environment(server: Server, record: Record) -> dict[str, str]:
    """Return what the tests need to know of a server of ours, in the order to print it."""
    prefix = _prefix(server.role)
    variables = {
        f"{prefix}_URL": record.url,
        f"{prefix}_CONTROL": control_command(server),
    }
    if record.ports.keys() >= set(server.port_names):  # else an older version started it
        variables |= server.extra_environ(record.ports)
    if (proxied := proxy_url(server, record)) is not None:
        variables[f"{prefix}_PROXY_URL"] = proxied
    return variables


def external_environment(server: Server, url: str) -> dict[str, str]:
    """Return the user's own variables for a server that is not ours; CONTROL only if given."""
    key = f"{_prefix(server.role)}_CONTROL"
    control = server.settings.environ.get(key)
    return {f"{_prefix(server.role)}_URL": url} | ({key: control} if control else {})


def proxy_url(server: Server, record: Record) -> str | None:
    """Return the URL that leads through the proxy; None when none runs."""
    if record.proxy is None or not is_alive(record.proxy):
        return None
    return server.url(record.ports["proxy"])


def control_command(server: Server) -> str:
    """Return the command to which `kill`, `pause` and the like are appended.

    It finds the server whatever the environment of its caller says.
    """
    folder = Path(__file__).resolve().parent
    argv = [sys.executable, str(folder), "control", server.name]
    if server.settings.root != DEFAULT_ROOT:
        argv = ["env", f"ANYMQ_SERVICES_DIR={server.settings.root}", *argv]
    return shlex.join(argv)


def _prefix(role: str) -> str:
    return f"ANYMQ_TEST_{role.upper()}"
