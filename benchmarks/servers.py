"""Where the servers are: those of the environment, or started for this run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console

from tests.servers import NAMES, Servers

__all__ = ["running", "url_of"]


def url_of(backend: str) -> str:
    """The server's address."""
    return os.environ[f"ANYMQ_TEST_{backend.upper()}_URL"]


@contextmanager
def running(suites: Iterable[str], console: Console) -> Iterator[None]:
    """Have the servers that the named suites need; stop those that were started for it.

    Raises RuntimeError for one that cannot be had.
    """
    needed = {name.partition("-")[0] for name in suites} & set(NAMES)
    servers = Servers(tell=lambda line: console.print(f"[dim]{line}[/]"))
    missing = [name for name in needed if f"ANYMQ_TEST_{name.upper()}_URL" not in os.environ]
    try:
        servers.start(missing)
        for name, reason in servers.missing.items():
            raise RuntimeError(f"no {name} server: {reason}")
        yield
    finally:
        servers.stop()
